// SPDX-License-Identifier: Apache-2.0
#include "comm/link_report.hpp"

#include <nlohmann/json.hpp>

namespace tutti::comm {

std::string to_json(const LinkReport& report) {
  using nlohmann::ordered_json;
  ordered_json links = ordered_json::array();
  for (uint32_t peer = 0; peer < report.links.size(); ++peer) {
    if (peer == report.rank) {
      continue;
    }
    const LinkReport::Link& link = report.links[peer];
    ordered_json passed_over = ordered_json::array();
    for (const LinkReport::PassedOver& better : link.passed_over) {
      passed_over.push_back({{"transport", report.transports[better.transport]}, {"reason", report.texts[better.reason]}});
    }
    links.push_back({{"peer", peer},
                     {"transport", report.transports[link.transport]},
                     {"description", link.description},
                     {"latency_ns", link.latency_ns},
                     {"bandwidth_bytes_per_s", link.bandwidth_bytes_per_s},
                     {"source", report.texts[link.source]},
                     {"reaches_memory", link.reaches_memory},
                     {"passed_over", std::move(passed_over)}});
  }
  ordered_json left_out = ordered_json::array();
  for (const LeftOut& one : report.left_out) {
    left_out.push_back({{"transport", one.name}, {"reason", one.why}});
  }
  const ordered_json all{{"rank", report.rank}, {"host", report.host_id}, {"links", std::move(links)}, {"left_out", std::move(left_out)}};
  // Texts come from plug-ins and peers, in any encoding.
  return all.dump(-1, ' ', false, ordered_json::error_handler_t::replace);
}

}  // namespace tutti::comm
