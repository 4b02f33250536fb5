// The published image of this release: manager and agent in one.

import { OPERATOR_VERSION } from '../src/common/version.ts';

export const IMAGE_REPOSITORY = 'ghcr.io/rstream/rstream-operator';

export const DEFAULT_IMAGE = `${IMAGE_REPOSITORY}:${OPERATOR_VERSION}`;
