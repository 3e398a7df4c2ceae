/** The only imports from the host. None of them may throw or await. */

/** mtime now, in ticks of the timebase (10 MHz). Not called in counted mode. */
// @ts-ignore: decorator
@external("host", "ticks")
export declare function hostTicks(): f64;

/** Wall clock, nanoseconds since 1970. Not called in counted mode. */
// @ts-ignore: decorator
@external("host", "wallclock")
export declare function hostWallclock(): f64;

/**
 * Compiles the module at [address, address + length) of linear memory, now or
 * later; with ticket 0 now. Its functions "a", "b" and so on are the `count`
 * regions from number `region`. The host may keep it for later runs, by the bytes
 * of the guest's page at linear address `page`, with what JIT_RECORD says.
 * @returns the index of the first one in the table, when all are in it; -1 when
 *          there is no such module; or JIT_LATER: `jitInstall(ticket)` will be called
 */
// @ts-ignore: decorator
@external("host", "compile")
export declare function hostCompile(address: u32, length: u32, region: u32, count: u32, ticket: u32, page: u32): i32;

/**
 * Puts the functions of the module that was asked for with this ticket, and has
 * been compiled since, into the table.
 * @returns the first one's index, or -1
 */
// @ts-ignore: decorator
@external("host", "place")
export declare function hostPlace(ticket: u32): i32;

/**
 * Looks for what was kept of a guest's page with the bytes of the one at this
 * linear address, and puts its record into JIT_RECORD.
 * @returns 0 when nothing was, -1 when only the record was, else the length of the module
 */
// @ts-ignore: decorator
@external("host", "recall")
export declare function hostRecall(page: u32): i32;

/** Puts the functions of the module that `recall` has found into the table, as `compile` does. */
// @ts-ignore: decorator
@external("host", "revive")
export declare function hostRevive(region: u32, count: u32): i32;

/** No region is called any more: all of them leave the table. */
// @ts-ignore: decorator
@external("host", "forget")
export declare function hostForget(): void;

/** Load from a TypeScript device; `size` is 1, 2, 4 or 8. */
// @ts-ignore: decorator
@external("host", "mmioRead")
export declare function hostMmioRead(device: i32, offset: u32, size: i32): u64;

/** Store to a TypeScript device. */
// @ts-ignore: decorator
@external("host", "mmioWrite")
export declare function hostMmioWrite(device: i32, offset: u32, size: i32, value: u64): void;
