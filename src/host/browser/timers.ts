/** An executor's turns and sleeps in a worker. */

/** Calls back as soon as what waits in the event loop has been seen to: setTimeout would wait 4 ms when nested. */
export function turns(): (callback: () => void) => void {
  const { port1, port2 } = new MessageChannel();
  const waiting: (() => void)[] = [];
  port1.onmessage = () => waiting.shift()?.();
  return (callback) => {
    waiting.push(callback);
    port2.postMessage(undefined);
  };
}

/** TypeScript's library of 2023 doesn't have it yet. */
interface WaitAsync {
  waitAsync?(
    array: Int32Array,
    index: number,
    value: number,
    timeout: number,
  ): { async: true; value: Promise<unknown> } | { async: false };
}

/**
 * Calls back after some milliseconds. @returns cancels it
 *
 * Timers of workers have a grain of a millisecond. With shared memory, that is
 * with cross-origin isolation, waiting for it to change wakes up to the tenth.
 */
export function sleeper(): (milliseconds: number, callback: () => void) => () => void {
  const { waitAsync } = Atomics as WaitAsync;
  if (!waitAsync || !globalThis.crossOriginIsolated) return timeout;
  const cell = new Int32Array(new SharedArrayBuffer(4));
  return (milliseconds, callback) => {
    // What lasts long needs no precision, and a wait that is over early would stay on its list till then.
    if (milliseconds > PRECISE_MS) return timeout(milliseconds, callback);
    let over = false;
    const wait = waitAsync(cell, 0, 0, milliseconds);
    if (!wait.async) return timeout(milliseconds, callback);
    wait.value.then(() => {
      if (!over) callback();
    });
    return () => {
      over = true;
      Atomics.notify(cell, 0);
    };
  };
}

const PRECISE_MS = 20;

function timeout(milliseconds: number, callback: () => void): () => void {
  const timer = setTimeout(callback, milliseconds);
  return () => clearTimeout(timer);
}
