// SPDX-License-Identifier: Apache-2.0
// Plug-ins of this process: shared libraries that give a transport. Each file is loaded once and stays. Everything here may be called from any thread.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "base/status.hpp"
#include "transport/plugin_adaptor.hpp"

namespace tutti::transport {

// The transport that the file at the absolute `path` gives, the same whenever it is asked for. Errors: tuttiSystemError with what the dynamic linker
// says, tuttiInvalidUsage if it is no plug-in, or one of another version, or the program runs with more rights than its caller's (setuid).
const Result<PluginType>& load_plugin(const std::string& path);

// Where installed plug-ins are: "tutti" beside the shared library that this code is in. Nothing when it is linked into a program.
std::optional<std::string> plugin_folder();
// What a plug-in's file in the folder is called: "libtutti_transport_ofi.so".
std::string plugin_file_name(std::string_view transport);
// The files of `folder` that are called so, by the transport's name. At most 64.
std::map<std::string, std::string> plugins_in(const std::string& folder);

}  // namespace tutti::transport
