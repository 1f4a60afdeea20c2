// SPDX-License-Identifier: Apache-2.0
#include "transport/plugin_loader.hpp"

#include <dlfcn.h>
#include <link.h>
#include <sys/auxv.h>

#include <array>
#include <csignal>
#include <filesystem>
#include <memory>
#include <mutex>

#include "base/log.hpp"

namespace tutti::transport {

namespace {

namespace fs = std::filesystem;

constexpr std::string_view kPluginPrefix = "libtutti_transport_";
constexpr std::string_view kPluginSuffix = ".so";
constexpr size_t kMostPluginFiles = 64;
constexpr size_t kMostFolderEntries = 10'000;

// The path of the shared library that this code is in; nothing in a program.
std::optional<std::string> own_library() {
  Dl_info info{};
  void* extra = nullptr;
  if (::dladdr1(reinterpret_cast<const void*>(&own_library), &info, &extra, RTLD_DL_LINKMAP) == 0 || extra == nullptr) {
    return std::nullopt;
  }
  const auto* const map = static_cast<const link_map*>(extra);
  return map->l_name == nullptr || *map->l_name == '\0' ? std::nullopt : std::optional<std::string>(map->l_name);
}

// Plug-ins keep pointers to functions of this library.
void stay_loaded() {
  if (const auto library = own_library()) {
    (void)::dlopen(library->c_str(), RTLD_NOW | RTLD_NOLOAD | RTLD_NODELETE);
  }
}

// Puts the process's signal handlers back that a library has taken when it was loaded, as libpsm2 does, which comes with libfabric.
class SignalHandlers {
 public:
  SignalHandlers() {
    for (int signal = 1; signal < NSIG; ++signal) {
      saved_[static_cast<size_t>(signal)].has_value = ::sigaction(signal, nullptr, &saved_[static_cast<size_t>(signal)].action) == 0;
    }
  }
  ~SignalHandlers() {
    for (int signal = 1; signal < NSIG; ++signal) {
      const Saved& saved = saved_[static_cast<size_t>(signal)];
      struct sigaction now {};
      if (saved.has_value && ::sigaction(signal, nullptr, &now) == 0 && now.sa_sigaction != saved.action.sa_sigaction) {
        (void)::sigaction(signal, &saved.action, nullptr);
      }
    }
  }
  SignalHandlers(const SignalHandlers&) = delete;
  SignalHandlers& operator=(const SignalHandlers&) = delete;

 private:
  struct Saved {
    bool has_value = false;
    struct sigaction action {};
  };
  std::array<Saved, NSIG> saved_;
};

void* open_library(const std::string& path) {
  const SignalHandlers kept;
  return ::dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
}

Result<PluginType> load_anew(const std::string& path) {
  if (::getauxval(AT_SECURE) != 0) {
    return tl::make_unexpected(invalid_usage("not loaded, since the program has more rights than its caller"));
  }
  stay_loaded();
  void* const handle = open_library(path);
  if (handle == nullptr) {
    const char* const why = ::dlerror();
    return tl::make_unexpected(failure(tuttiSystemError, "could not be loaded: {}", why == nullptr ? path.c_str() : why));
  }
  const auto function = reinterpret_cast<tuttiTransportPluginFunction_v1_t>(::dlsym(handle, TUTTI_TRANSPORT_PLUGIN_FUNCTION_V1));
  if (function == nullptr) {
    return tl::make_unexpected(invalid_usage("{} has no function {}", path, TUTTI_TRANSPORT_PLUGIN_FUNCTION_V1));
  }
  auto type = PluginType::adapt(function());
  return type ? std::move(type) : tl::make_unexpected(Status(type.error().code(), fmt::format("{}: {}", path, type.error().message())));
}

}  // namespace

const Result<PluginType>& load_plugin(const std::string& path) {
  static std::mutex mutex;
  static auto& loaded = *new std::map<std::string, Result<PluginType>>();  // transports may outlive the end of main()
  const std::lock_guard lock(mutex);
  auto found = loaded.find(path);
  if (found == loaded.end()) {
    found = loaded.emplace(path, load_anew(path)).first;
    if (found->second) {
      log::info("plug-in {}: transport {}", path, found->second->name());
    } else {
      log::info("plug-in {}: {}", path, found->second.error().message());
    }
  }
  return found->second;
}

std::optional<std::string> plugin_folder() {
  const auto library = own_library();
  std::error_code error;
  const fs::path path = library ? fs::canonical(*library, error) : fs::path();
  return library && !error ? std::optional((path.parent_path() / "tutti").string()) : std::nullopt;
}

std::string plugin_file_name(std::string_view transport) { return fmt::format("{}{}{}", kPluginPrefix, transport, kPluginSuffix); }

std::map<std::string, std::string> plugins_in(const std::string& folder) {
  std::map<std::string, std::string> plugins;
  std::error_code error;
  size_t count = 0;
  for (fs::directory_iterator entry(folder, error), end; !error && entry != end && count < kMostFolderEntries; entry.increment(error), ++count) {
    const std::string name = entry->path().filename().string();
    if (name.starts_with(kPluginPrefix) && name.ends_with(kPluginSuffix) && name.size() > kPluginPrefix.size() + kPluginSuffix.size() &&
        plugins.size() < kMostPluginFiles) {
      plugins.emplace(name.substr(kPluginPrefix.size(), name.size() - kPluginPrefix.size() - kPluginSuffix.size()), entry->path().string());
    }
  }
  return plugins;
}

}  // namespace tutti::transport
