/** The form: which guest, with what. */

import type { EngineName, MachineOptions } from "../../browser.ts";
import { element, input, select } from "./elements.ts";

/** Where the server has its images. */
const IMAGES = "images";
const OWN_FILES = "";

interface Entry {
  readonly name: string;
  readonly description: string;
}

/** Names of images as people read them; others are as they are. */
const TITLES: Readonly<Record<string, string>> = {
  debian: "BusyBox",
  "debian-disk": "Debian disk",
  hello: "Hello",
  selftest: "Self-test",
};

/** Asks the server for its images and fills the form. @returns what is wrong, if they can't be had */
export async function offerGuests(): Promise<string | undefined> {
  let entries: readonly Entry[] = [];
  let wrong: string | undefined;
  try {
    const response = await fetch(`${IMAGES}/index.json`);
    if (!response.ok) throw new Error(`the server says ${response.status}`);
    entries = await response.json();
  } catch (error) {
    wrong = `The list of guests can't be loaded: ${(error as Error).message}. Your own files work all the same.`;
  }
  const own = { name: OWN_FILES, description: "A kernel from this device; nothing of it leaves the page" };
  element("guests").append(...[...entries, own].map(choice));
  const wanted = new URLSearchParams(location.search).get("image");
  const choices = [...document.querySelectorAll<HTMLInputElement>("input[name=guest]")];
  const first = choices.find(({ value }) => value === wanted) ?? choices[0]!;
  first.checked = true;
  showFiles();
  element("guests").addEventListener("change", showFiles);
  return wrong;
}

function choice({ name, description }: Entry): HTMLElement {
  const label = document.createElement("label");
  label.className = "guest";
  const radio = document.createElement("input");
  radio.type = "radio";
  radio.name = "guest";
  radio.value = name;
  const title = document.createElement("strong");
  title.textContent = name === OWN_FILES ? "Your own files" : (TITLES[name] ?? name);
  const text = document.createElement("span");
  text.textContent = description;
  label.append(radio, title, text);
  return label;
}

const chosen = (): string => document.querySelector<HTMLInputElement>("input[name=guest]:checked")?.value ?? OWN_FILES;

function showFiles(): void {
  element("files").hidden = chosen() !== OWN_FILES;
}

/** What the form says. @throws Error with a sentence when something is missing */
export function chosenOptions(): MachineOptions {
  const memory = select("memory").value;
  const common: MachineOptions = {
    ...(memory !== "" && { memory }),
    harts: Number(select("harts").value),
    engine: select("engine").value as EngineName,
  };
  const image = chosen();
  if (image !== OWN_FILES) return { ...common, image, images: IMAGES };
  const file = (id: string) => input(id).files?.[0];
  const [kernel, initrd, disk] = [file("kernel"), file("initrd"), file("disk")];
  if (!kernel) throw new Error("Choose a kernel first: a Linux Image for RISC-V, or a program.");
  const append = input("append").value.trim();
  return {
    ...common,
    kernel,
    ...(initrd && { initrd }),
    ...(append !== "" && { append }),
    ...(disk && { disks: [{ file: disk }] }),
  };
}
