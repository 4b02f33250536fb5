// The published image of this release: manager and agent in one.

/** The release these constructs belong to. */
export const OPERATOR_VERSION = '0.1.0';

export const IMAGE_REPOSITORY = 'ghcr.io/rstream/rstream-operator';

export const DEFAULT_IMAGE = `${IMAGE_REPOSITORY}:${OPERATOR_VERSION}`;
