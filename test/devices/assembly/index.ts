/** Test entry: the core's devices without harts that run. */

export * from "../../../assembly/abi";
export * from "../../../assembly/devices/aclint";
export * from "../../../assembly/devices/pflash";
export * from "../../../assembly/devices/plic";
export * from "../../../assembly/devices/rtc";
export * from "../../../assembly/devices/syscon";
export * from "../../../assembly/devices/timer";
export * from "../../../assembly/devices/uart";
