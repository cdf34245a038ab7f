"""Ansible's community.mongodb modules: what is declared comes true once, and is left alone then."""

import json
import os
import subprocess
import sys
import unittest
from pathlib import Path

FOLDER = Path(__file__).parent
sys.path.insert(0, str(FOLDER.parent / "python"))

from server import ADMIN_PASSWORD, Server  # noqa: E402

PLAYBOOK_S_MAX = 300


class PlaybookTest(unittest.TestCase):
    def setUp(self):
        self.server = Server()
        self.addCleanup(self.server.close)

    def play(self, tag):
        """Runs the plays of a tag; by name of the task, whether it changed something."""
        command = [
            str(Path(sys.executable).parent / "ansible-playbook"),
            "--inventory=localhost,",
            "--connection=local",
            f"--tags={tag}",
            f"--extra-vars={json.dumps(self.variables())}",
            str(FOLDER / "playbook.yml"),
        ]
        environment = {
            **os.environ,
            "ANSIBLE_STDOUT_CALLBACK": "ansible.posix.json",
            "ANSIBLE_LOCALHOST_WARNING": "false",
            "ANSIBLE_HOME": self.server.path("ansible"),
        }
        run = subprocess.run(
            command, capture_output=True, text=True, timeout=PLAYBOOK_S_MAX, env=environment
        )
        self.assertEqual(run.returncode, 0, run.stdout + run.stderr)
        plays = json.loads(run.stdout)["plays"]
        tasks = [task for play in plays for task in play["tasks"]]
        return {task["task"]["name"]: task["hosts"]["localhost"]["changed"] for task in tasks}

    def variables(self):
        return {
            "server_port": self.server.port,
            "first_administrator_exists": self.server.path("first-administrator-exists"),
            "admin_password": ADMIN_PASSWORD,
            "ansible_python_interpreter": sys.executable,
        }

    def test_the_second_run_changes_nothing(self):
        looks_only = {"what there is now", "is what was declared"}
        first = self.play("all")
        self.assertEqual({name for name, changed in first.items() if not changed}, looks_only)
        second = self.play("all")
        self.assertEqual(second.keys(), first.keys())
        self.assertEqual([name for name, changed in second.items() if changed], [])

    def test_what_was_declared_can_be_taken_back_once(self):
        self.play("all")
        self.assertEqual(set(self.play("remove").values()), {True})
        self.assertEqual(set(self.play("remove").values()), {False})


if __name__ == "__main__":
    unittest.main()
