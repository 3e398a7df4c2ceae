/** A reporter of vitest that writes the counts of a run to the file $WARDIAN_TEST_COUNTS. */

import { writeFileSync } from "node:fs";

export default class CountReporter {
  onTestRunEnd(modules, unhandledErrors) {
    const counts = { passed: 0, failed: unhandledErrors.length, skipped: 0 };
    for (const module of modules) {
      // Of the file or a group in it, such as a failed import or hook.
      counts.failed += module.errors().length;
      for (const suite of module.children.allSuites()) counts.failed += suite.errors().length;
      for (const test of module.children.allTests()) {
        const { state } = test.result();
        // One that never got to run didn't pass.
        counts[state === "passed" || state === "skipped" ? state : "failed"]++;
      }
    }
    writeFileSync(process.env.WARDIAN_TEST_COUNTS, JSON.stringify(counts));
  }
}
