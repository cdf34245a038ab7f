//! Sessions whose roles come from a certificate. `tests/auth/x509.rs` has everything a client can see.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::*;
use crate::authz::{Authority, Need};
use crate::catalog::View;
use crate::model::action::Action;
use crate::model::names::RoleName;
use crate::model::privilege::Privilege;
use crate::model::resource::Resource;
use crate::model::restriction::{AddressRestriction, Endpoints, Restrictions};
use crate::model::role::Role;
use crate::store::Change;

const PEM: &str = include_str!("../../../../fixtures/certs/client-with-roles.pem");
/// As long as `clusterMonitor`, in whose place it stands: the handshake would notice, nobody here does.
const ROLE: &str = "customMonitors";

fn certificate() -> Vec<u8> {
    let (_, after) = PEM.split_once("-----BEGIN CERTIFICATE-----").unwrap();
    let (base64, _) = after.split_once("-----END CERTIFICATE-----").unwrap();
    let mut der = STANDARD
        .decode(base64.split_whitespace().collect::<String>())
        .unwrap();
    let old = b"clusterMonitor";
    let place = der.windows(old.len()).position(|bytes| bytes == old);
    der[place.unwrap()..][..old.len()].copy_from_slice(ROLE.as_bytes());
    der
}

fn role(actions: &[Action], restrictions: Restrictions) -> Change {
    Change::PutRole(Arc::new(Role {
        name: RoleName::new(ROLE, DbName::ADMIN).unwrap(),
        privileges: [Privilege {
            resource: Resource::Cluster,
            actions: actions.iter().copied().collect(),
        }]
        .into(),
        roles: [].into(),
        restrictions,
        milvus_grants: [].into(),
    }))
}

fn session(catalog: &Catalog) -> Session {
    let mut session = Session::new(Endpoints {
        client: Some([127, 0, 0, 1].into()),
        server: Some([127, 0, 0, 1].into()),
    });
    let request = Authenticate {
        db: &DbName::EXTERNAL,
        mechanism: "MONGODB-X509",
        user: None,
        is_speculative: false,
        is_api_strict: false,
    };
    let server = Subject::parse("CN=localhost,OU=Servers,O=Portcullis tests").unwrap();
    let policy = CertificatePolicy {
        is_enabled: true,
        has_tls: true,
        certificate: Some(&certificate()),
        server: Some(&server),
        allows_roles: true,
    };
    session.authenticate(&request, &policy, catalog).unwrap();
    session
}

/// What the session may do on the cluster.
fn may(session: &Session, action: Action) -> bool {
    let privileges = &session.signed_in().unwrap().privileges;
    privileges.allows(&Resource::Cluster, &action.into())
}

#[test]
fn a_role_of_a_certificate_counts_as_it_is_now() {
    let catalog = Catalog::new();
    // A role that nobody knows gives nothing.
    let mut session = session(&catalog);
    assert!(!may(&session, Action::HostInfo));
    catalog.apply([role(&[Action::HostInfo], Restrictions::NONE)]);
    assert_eq!(session.refresh(&catalog), None);
    assert!(may(&session, Action::HostInfo));
    catalog.apply([role(&[Action::ServerStatus], Restrictions::NONE)]);
    assert_eq!(session.refresh(&catalog), None);
    assert!(!may(&session, Action::HostInfo));
    assert!(may(&session, Action::ServerStatus));
    let nowhere = Restrictions::new(vec![AddressRestriction {
        client_source: Some([].into()),
        server_address: None,
    }]);
    catalog.apply([role(&[Action::ServerStatus], nowhere)]);
    let signed_out = session.refresh(&catalog).unwrap();
    assert_eq!(
        signed_out.to_string(),
        "CN=carol,OU=Clients,O=Portcullis tests@$external"
    );
    assert!(session.signed_in().is_none());
}

#[test]
fn a_pass_rests_on_the_roles_of_the_certificate() {
    let catalog = Catalog::new();
    catalog.apply([role(&[Action::HostInfo], Restrictions::NONE)]);
    let session = session(&catalog);
    let signed_in = session.signed_in().unwrap();
    let authority = Authority::User {
        user: &signed_in.user,
        roles_from: signed_in.roles_from,
        privileges: &signed_in.privileges,
    };
    let need = [Need::on_cluster(Action::HostInfo)];
    let pass = authority.require(&need).unwrap();
    assert!(pass.still_holds(&View::new(&catalog)));
    catalog.apply([role(&[Action::ServerStatus], Restrictions::NONE)]);
    assert!(!pass.still_holds(&View::new(&catalog)));
}
