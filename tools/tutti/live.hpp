// SPDX-License-Identifier: Apache-2.0
// The ranks that a launcher has started, as they reach each other.
#pragma once

#include <string>
#include <vector>

namespace tutti::tool {

// Makes a communicator of all ranks, through the library as any program would. On rank 0 what tuttiCommLinks gives on each rank, by rank; on the others
// nothing. Fails with kWrongUsage where no launcher has started ranks, kWrongInput where they do not come together.
std::vector<std::string> links_of_all_ranks();

// Each pair of ranks: transport, estimate and where it comes from, and why better transports were passed over.
std::string live_text(const std::vector<std::string>& links_by_rank);
std::string live_json(const std::vector<std::string>& links_by_rank);

}  // namespace tutti::tool
