/** The host's clocks. Read between the guest's slices; in counted mode only by way of the input door. */
export interface Clock {
  /** Nanoseconds since 1970, UTC. */
  wall(): bigint;
  /** Nanoseconds from any fixed point, never going back. */
  monotonic(): bigint;
}
