/** Installs what package-lock.json asks for, when it isn't there. */

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { Failure, ROOT, step } from "./run.mjs";

/** Runs `npm ci` unless the installed packages are those of the lock file. */
export async function install() {
  const wanted = packages("package-lock.json");
  if (!wanted) throw new Failure("package-lock.json is missing or damaged; restore it with git.");
  if (agrees(wanted, packages("node_modules/.package-lock.json"))) return;
  const remedy = "check the network and npm's configuration, and try again";
  await step("Installing packages", 15, remedy, "npm", ["ci", "--no-audit", "--no-fund", "--loglevel=error"]);
}

/** The packages of a lock file by their path, or undefined. */
function packages(file) {
  try {
    return JSON.parse(readFileSync(join(ROOT, file), "utf8")).packages;
  } catch {
    return undefined;
  }
}

/** npm keeps a lock file of what it installed: optional packages for other systems are missing in it. */
function agrees(wanted, installed) {
  if (!installed) return false;
  return Object.entries(wanted).every(([path, { version, integrity, optional }]) => {
    if (path === "") return true;
    const found = installed[path];
    return found ? found.version === version && found.integrity === integrity : optional === true;
  });
}
