/** The way from compiled code to the region at a place in the table. */

/**
 * (module
 *   (type $region (func (param i32 i32 i64 i32) (result i64)))
 *   (type $enter (func (param i32 i32 i64 i32 i32) (result i64)))
 *   (import "env" "table" (table 0 funcref))
 *   (func (export "a") (type $enter)
 *     (return_call_indirect (type $region)
 *       (local.get 0) (local.get 1) (local.get 2) (local.get 3) (local.get 4))))
 */
const ENTER = Uint8Array.of(
  ...[0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00], // "\0asm", version 1
  ...[0x01, 0x12, 0x02], // section of types, 18 bytes: two
  ...[0x60, 0x04, 0x7f, 0x7f, 0x7e, 0x7f, 0x01, 0x7e],
  ...[0x60, 0x05, 0x7f, 0x7f, 0x7e, 0x7f, 0x7f, 0x01, 0x7e],
  ...[0x02, 0x0f, 0x01], // section of imports, 15 bytes: one
  ...[0x03, 0x65, 0x6e, 0x76, 0x05, 0x74, 0x61, 0x62, 0x6c, 0x65], // "env" "table"
  ...[0x01, 0x70, 0x00, 0x00], // a table of functions
  ...[0x03, 0x02, 0x01, 0x01], // section of functions: one, of type 1
  ...[0x07, 0x05, 0x01, 0x01, 0x61, 0x00, 0x00], // section of exports: "a"
  ...[0x0a, 0x11, 0x01, 0x0f, 0x00], // section of code, 17 bytes: one, of 15, no locals
  ...[0x20, 0x00, 0x20, 0x01, 0x20, 0x02, 0x20, 0x03, 0x20, 0x04], // local.get 0 to 4
  ...[0x13, 0x00, 0x00, 0x0b], // return_call_indirect of type 0, end
);

export type Enter = (hart: number, budget: number, page: bigint, depth: number, index: number) => bigint;

/**
 * What regions import in place of the table. In Node 20 each instance that imports a table has a copy of it, which is
 * written to with the table and kept as long as the table: with 2,000 of them a region costs a millisecond, with one 10 µs.
 */
export function enterTable(table: WebAssembly.Table): Enter {
  return new WebAssembly.Instance(new WebAssembly.Module(ENTER), { env: { table } }).exports.a as Enter;
}
