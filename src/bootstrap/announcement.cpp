// SPDX-License-Identifier: Apache-2.0
#include "bootstrap/announcement.hpp"

#include <cstring>

#include "bootstrap/unique_id.hpp"

namespace tutti::bootstrap {

Bytes make_announcement(const Settings& settings) {
  const Result<tuttiUniqueId> id = create_unique_id(settings);
  if (!id) {
    return encode_status(id.error());
  }
  return Writer().u32(tuttiSuccess).bytes(std::as_bytes(std::span(id->internal))).take();
}

Result<tuttiUniqueId> read_announcement(std::span<const std::byte> announcement, std::string_view launcher) {
  Reader reader(announcement);
  tuttiUniqueId id;
  if (reader.u32() == static_cast<uint32_t>(tuttiSuccess) && reader.rest().size() == sizeof id.internal) {
    std::memcpy(id.internal, reader.rest().data(), sizeof id.internal);
    return id;
  }
  return tl::make_unexpected(
      decode_status(announcement).value_or(internal_error("rank 0 published something through {} that is no id", launcher)));
}

}  // namespace tutti::bootstrap
