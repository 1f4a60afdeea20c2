// SPDX-License-Identifier: Apache-2.0
// The transports of a rank, and how the ranks' transports come into one order: what some rank has, every rank tries, since connecting goes on in step.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/status.hpp"
#include "comm/records.hpp"
#include "comm/selection.hpp"
#include "transport/transport.hpp"

namespace tutti::comm {

// A transport by name, ready to give its address.
struct NamedTransport {
  std::string name;
  std::unique_ptr<transport::Transport> transport;
};

class OwnTransports {
 public:
  OwnTransports() = default;
  // Made already, best first.
  explicit OwnTransports(std::vector<NamedTransport> made);

  // Makes what `selection` has; what cannot be made is left out. Errors: tuttiInvalidArgument where the user has asked for what makes no sense.
  Status add(const Selection& selection, const transport::TransportContext& context);
  // Of all that there is. Errors: as nothing_left().
  Status check_any(std::string_view words) const { return members_.empty() ? nothing_left(words, left_out_) : Status(); }

  TransportOffers offers() const;
  const std::vector<LeftOut>& left_out() const { return left_out_; }

  // The transports that any rank offers, best first by what the ranks say of them, the same on all ranks; where this rank has none, one that reaches nobody
  // takes its place. Leaves none here.
  std::vector<NamedTransport> arrange(const std::vector<Introduction>& introductions);

 private:
  struct Member {
    std::string name;
    uint32_t preference = 0;
    std::unique_ptr<transport::Transport> transport;
  };
  const Member* find(std::string_view name) const;

  std::vector<Member> members_;
  std::vector<LeftOut> left_out_;
};

}  // namespace tutti::comm
