// SPDX-License-Identifier: Apache-2.0
// The process's place as torchrun's variables tell it: RANK, WORLD_SIZE, MASTER_ADDR, MASTER_PORT.
//
// torchrun's own store usually listens on MASTER_PORT, so the service of call n (0, 1, ...) listens on the first free one of the 16 ports that follow
// MASTER_PORT + 16 n. Ranks try these in the same order and recognise strangers there by their not knowing the secret. The secret comes
// from TUTTI_SECRET_FILE or, when all ranks run on one host, from a key file of the user's, mixed with the job's variables and n.
#pragma once

#include <cstdint>
#include <string>

#include "bootstrap/environment.hpp"

namespace tutti::bootstrap {

inline constexpr uint16_t kTorchrunPortCount = 16;

struct TorchrunVariables {
  uint32_t rank = 0;
  uint32_t rank_count = 1;
  std::string master_address;
  uint16_t master_port = 0;
};

// Whether any of the four variables is set.
bool launched_by_torchrun();
// Whether all of them are, and by torchrun: it also names its run.
bool launched_by_torchrun_itself();
// Errors: tuttiInvalidUsage naming the variable that is missing or malformed, with its value.
Result<TorchrunVariables> parse_torchrun_variables();
// The first of the ports on which the service of a call may listen.
uint16_t first_torchrun_port(uint16_t master_port, uint64_t call);

// As placement_from_environment. Errors: also tuttiInvalidUsage when TUTTI_SECRET_FILE is needed and not set.
Result<Placement> placement_from_torchrun(const Settings& settings);

}  // namespace tutti::bootstrap
