/** Guest images: recipes, provisioning from Debian's packages, and the cache. */
export type { Builder, BuilderSpec, DiskBuilder } from "./disk/builder.ts";
export { ImageError, type ImageErrorCode } from "./errors.ts";
export {
  type ImageInfo,
  type ImageProgress,
  listImages,
  type Provisioned,
  type ProvisionedDisk,
  type ProvisionedElf,
  type ProvisionedFirmware,
  type ProvisionedInstaller,
  type ProvisionedLinux,
  type ProvisionOptions,
  provision,
  provisionedAt,
  pull,
  removeImage,
} from "./provision.ts";
