/** The page's elements, by their ids. */

export function element<E extends HTMLElement = HTMLElement>(id: string): E {
  const found = document.getElementById(id);
  if (!found) throw new Error(`The page has no element ${id}.`);
  return found as E;
}

export const input = (id: string): HTMLInputElement => element<HTMLInputElement>(id);
export const select = (id: string): HTMLSelectElement => element<HTMLSelectElement>(id);

const PANES = ["choose", "loading", "machine"] as const;

/** Shows one of the page's three states. */
export function showPane(name: (typeof PANES)[number]): void {
  for (const pane of PANES) element(pane).hidden = pane !== name;
  document.body.classList.toggle("running", name === "machine");
}

/** Says what is wrong, until something else is said. */
export function showAlert(message: string | undefined): void {
  const alert = element("alert");
  alert.hidden = message === undefined;
  alert.textContent = message ?? "";
}
