// SPDX-License-Identifier: Apache-2.0
// The headers alone, in C++11 and twice.
#include "tutti/plugin/transport_v1.h"
#include "tutti/plugin/transport_v1.h"
#include "tutti/tutti.h"
#include "tutti/tutti.h"

static_assert(sizeof(tuttiUniqueId) == TUTTI_UNIQUE_ID_BYTES, "the id is handed from process to process as plain bytes");

int header_is_usable_from_cxx() {
  const tuttiConfig_t config = TUTTI_CONFIG_INITIALIZER;
  return config.magic == TUTTI_CONFIG_MAGIC ? 1 : 0;
}
