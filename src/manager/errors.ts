// Every error code the manager throws on purpose. The ERR_RSTREAM_ codes are the ones rstream's SDKs use for the same fault.

export const MANAGER_ERROR = {
  invalidApiUrl: 'ERR_RSTREAM_INVALID_API_URL',
  apiHttp: 'ERR_RSTREAM_API_HTTP',
  apiInvalidResponse: 'ERR_RSTREAM_API_INVALID_RESPONSE',
  apiUnreachable: 'ERR_RSTREAM_API_UNREACHABLE',
  engineResolution: 'ERR_RSTREAM_ENGINE_RESOLUTION',
  invalidEngine: 'ERR_RSTREAM_INVALID_ENGINE',
  invalidRegion: 'ERR_RSTREAM_INVALID_REGION',
  regionUnavailable: 'ERR_RSTREAM_REGION_UNAVAILABLE',
  regionAmbiguous: 'ERR_RSTREAM_REGION_AMBIGUOUS',
  regionEngineConflict: 'ERR_RSTREAM_REGION_ENGINE_CONFLICT',
  addressRefused: 'ERR_MANAGER_ADDRESS_REFUSED',
  invalidFlag: 'ERR_MANAGER_INVALID_FLAG',
  foreignObject: 'ERR_MANAGER_FOREIGN_OBJECT',
} as const;

export type ManagerErrorCode = (typeof MANAGER_ERROR)[keyof typeof MANAGER_ERROR];
