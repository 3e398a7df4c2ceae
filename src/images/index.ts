/** Guest images: recipes, provisioning from Debian's packages, and the cache. */
export { ImageError, type ImageErrorCode } from "./errors.ts";
export {
  type ImageInfo,
  type ImageProgress,
  listImages,
  type Provisioned,
  type ProvisionedElf,
  type ProvisionedLinux,
  type ProvisionOptions,
  provision,
  pull,
  removeImage,
} from "./provision.ts";
