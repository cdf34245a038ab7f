// What the scripts of this folder use to say what must hold; load() makes these global.

const assert = require('node:assert/strict');

/** What runs must fail with the server's code. */
globalThis.fails = function (code, run) {
  try {
    run();
  } catch (error) {
    assert.equal(error.code, code, `${run}: ${error.message}`);
    return error;
  }
  assert.fail(`${run} did not fail`);
};

/** Compares by content: the shell's objects have prototypes of their own. */
globalThis.same = function (actual, expected) {
  assert.equal(EJSON.stringify(actual), EJSON.stringify(expected));
};

globalThis.assert = assert;
