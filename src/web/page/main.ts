/** The page: choose a guest, start it, type in it. */

import { element, showAlert, showPane } from "./elements.ts";
import { chosenOptions, offerGuests } from "./guests.ts";
import { Console, Session } from "./session.ts";

let screen: Console | undefined;
let session: Session | undefined;
let loading: AbortController | undefined;

/** The terminal measures its element, which must be shown by then. */
const terminal = (): Console => {
  screen ??= new Console();
  return screen;
};

/** Runs what a button does; what it can't do is said. */
function when(id: string, event: string, action: () => void | Promise<void>): void {
  element(id).addEventListener(event, (happened) => {
    happened.preventDefault();
    Promise.resolve()
      .then(action)
      .catch((error: Error) => showAlert(error.message));
  });
}

when("form", "submit", async () => {
  showAlert(undefined);
  const options = chosenOptions();
  loading = new AbortController();
  const { signal } = loading;
  try {
    session = await Session.start(options, terminal, signal);
  } catch (error) {
    showPane("choose");
    element("start").focus();
    if (!signal.aborted) throw error;
  }
});

when("cancel", "click", () => loading?.abort());
when("pause", "click", () => session?.togglePause());
when("reset", "click", async () => {
  showAlert(undefined);
  if (screen) await session?.reset(screen);
});
when("off", "click", async () => {
  // The same button: first it ends the machine, then it leads back.
  if (element("state").textContent !== "off") return session?.powerOff();
  showAlert(undefined);
  showPane("choose");
  element("start").focus();
});

element("isolation").hidden = globalThis.crossOriginIsolated;
showAlert(await offerGuests());
