// SPDX-License-Identifier: Apache-2.0
// Which transports a communicator may use: TUTTI_TRANSPORTS and TUTTI_TRANSPORT_PLUGINS.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.hpp"
#include "transport/transport.hpp"

namespace tutti::comm {

struct TransportCandidate {
  std::string name;
  int preference = 0;
  std::function<Result<std::unique_ptr<transport::Transport>>(const transport::TransportContext&)> create;
};

// A transport that is not used, and why: "ofi", "not installed: ...".
struct LeftOut {
  std::string name;
  std::string why;
};

struct Selection {
  std::vector<TransportCandidate> candidates;  // best first
  std::vector<LeftOut> left_out;
  // Installed plug-ins may be used that have not been looked at: select_installed() does. They take time to load and are made for the way between hosts,
  // so ranks of one host do without. Depends on the words alone.
  bool leaves_installed = false;
};

struct SelectionRequest {
  std::string_view words;         // TUTTI_TRANSPORTS: "shm,tcp", or all but some: "^tcp"; empty: every automatic one
  std::string_view plugin_files;  // TUTTI_TRANSPORT_PLUGINS: absolute paths separated by colons
  std::string_view folder;        // of installed plug-ins; empty: none
};

// What the request allows. Errors: tuttiInvalidArgument naming an unknown word and listing the known ones, or a path that is not absolute, or saying
// why nothing is left.
Result<Selection> select_transports(const SelectionRequest& request);
// The installed plug-ins among what the request allows, for a request that select_transports() has taken.
Selection select_installed(const SelectionRequest& request);

// For a request whose candidates have all failed.
Status nothing_left(std::string_view words, const std::vector<LeftOut>& left_out);
// "ofi: not installed; ucx: no adapter"
std::string to_string(const std::vector<LeftOut>& left_out);

}  // namespace tutti::comm
