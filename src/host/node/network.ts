/** Networks of this host. */

import type { Link, NetworkOptions } from "../../backends/link.ts";
import { FileError } from "./files.ts";

export async function openNetwork({ kind }: NetworkOptions): Promise<Link> {
  throw new FileError(`This build has no network of the kind ${kind}; leave it out.`);
}
