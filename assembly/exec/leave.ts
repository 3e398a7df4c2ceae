/** How the interpreter's hot loop hands over: its variables go into globals until it is entered again. */

/** The micro-op at `leftAt` needs its handler; its instruction isn't counted in `leftBudget` any more. */
export const LEFT_SLOW: i32 = 0;
/** On to `leftTarget`, whose page isn't in the fetch TLB. */
export const LEFT_JUMP: i32 = 1;
/** Nothing of the budget is left. */
export const LEFT_BUDGET: i32 = 2;

export let leftAt: usize = 0;
export let leftBudget: i32 = 0;
export let leftPage: usize = 0;
export let leftBase: u64 = 0;
export let leftTarget: u64 = 0;

export function leaveSlow(u: usize, n: i32, page: usize, vbase: u64): i32 {
  leftAt = u;
  leftBudget = n;
  leftPage = page;
  leftBase = vbase;
  return LEFT_SLOW;
}

export function leaveJump(target: u64, n: i32): i32 {
  leftTarget = target;
  leftBudget = n;
  return LEFT_JUMP;
}

export function leaveBudget(u: usize, page: usize, vbase: u64): i32 {
  leftAt = u;
  leftPage = page;
  leftBase = vbase;
  return LEFT_BUDGET;
}
