// SPDX-License-Identifier: Apache-2.0
// A plug-in's tables (tutti/plugin/transport_v1.h) as a transport. Nothing that they give is trusted to be within bounds: a peer of whom they say
// something impossible becomes unreachable, or its link fails, with words that say what was wrong. No exception passes.
#pragma once

#include <memory>
#include <string>

#include "base/status.hpp"
#include "transport/transport.hpp"
#include "tutti/plugin/transport_v1.h"

namespace tutti::transport {

// Tables that have been looked through once.
struct PluginTables {
  tuttiTransportPlugin_v1_t type;
  tuttiLinkFunctions_v1_t links;
  std::string name;
  bool reaches_memory;  // whether links have the functions for it
};

class PluginType {
 public:
  // `table` stays as long as the process. Errors: tuttiInvalidUsage saying what is wrong with it.
  static Result<PluginType> adapt(const tuttiTransportPlugin_v1_t* table);

  const std::string& name() const { return tables_->name; }
  int preference() const { return tables_->type.preference; }
  bool automatic() const { return tables_->type.automatic != 0; }
  // Errors: the plug-in's, which do not name it; tuttiInternalError if it breaks a rule.
  Result<std::unique_ptr<Transport>> create(const TransportContext& context) const;

 private:
  explicit PluginType(PluginTables tables) : tables_(std::make_shared<const PluginTables>(std::move(tables))) {}

  std::shared_ptr<const PluginTables> tables_;
};

// What plug-ins call to log: a line of this process's log.
void log_for_plugin(tuttiLogLevel_t level, const char* line);

}  // namespace tutti::transport
