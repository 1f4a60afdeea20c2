// SPDX-License-Identifier: Apache-2.0
// A transport that is written against transport.hpp, as a plug-in's tables (tutti/plugin/transport_v1.h). A plug-in's source has one line:
//   TUTTI_EXPORT_TRANSPORT(tutti::transports::ofi::type)
#pragma once

#include "transport/transport.hpp"
#include "tutti/plugin/transport_v1.h"

namespace tutti::transport {

// For exported().
using PluginCreate = decltype(tuttiTransportPlugin_v1_t::create);
tuttiTransportPlugin_v1_t make_plugin_table(const TransportType& type, PluginCreate create);
tuttiResult_t create_exported(const TransportType& type, const tuttiTransportContext_v1_t* context, tuttiPluginTransport_t** transport, char* text,
                              size_t capacity);

// Settings that have rows in this library's table are handed through; log lines go to the host's log.
template <const TransportType& (*type)()>
const tuttiTransportPlugin_v1_t* exported() {
  static const tuttiTransportPlugin_v1_t table = make_plugin_table(
      type(), [](const tuttiTransportContext_v1_t* context, tuttiPluginTransport_t** transport, char* text, size_t capacity) {
        return create_exported(type(), context, transport, text, capacity);
      });
  return &table;
}

}  // namespace tutti::transport

#define TUTTI_EXPORT_TRANSPORT(type) \
  extern "C" TUTTI_API const tuttiTransportPlugin_v1_t* tuttiTransportPlugin_v1(void) { return ::tutti::transport::exported<&type>(); }
