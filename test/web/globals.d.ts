/** What pages under test have in their global scope. */
declare const wardian: typeof import("../../src/browser.ts");
