/* SPDX-License-Identifier: Apache-2.0 */
/* The headers alone, and what a C program may rely on at compile time. */
#include "tutti/plugin/transport_v1.h"
#include "tutti/tutti.h"

_Static_assert(sizeof(tuttiUniqueId) == TUTTI_UNIQUE_ID_BYTES, "the id is handed from process to process as plain bytes");
_Static_assert(TUTTI_VERSION_CODE == TUTTI_VERSION(TUTTI_MAJOR, TUTTI_MINOR, TUTTI_PATCH), "one version");
_Static_assert(tuttiSuccess == 0 && tuttiSum == 0 && tuttiFloat32 == 7, "NCCL's values");
_Static_assert(offsetof(tuttiConfig_t, size) == 0, "the size tells which fields exist, so it comes first");

_Static_assert(offsetof(tuttiTransportPlugin_v1_t, size) == 0 && offsetof(tuttiLinkFunctions_v1_t, size) == 0 &&
                   offsetof(tuttiTransportContext_v1_t, size) == 0 && offsetof(tuttiLinkEstimate_t, size) == 0,
               "the size tells which members exist, so it comes first");

static const tuttiConfig_t kConfig = TUTTI_CONFIG_INITIALIZER;

int header_is_usable(void) { return kConfig.magic == TUTTI_CONFIG_MAGIC; }
