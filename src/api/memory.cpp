// SPDX-License-Identifier: Apache-2.0
// Memory, registration and operators made at run time.
#include <sys/mman.h>

#include <cerrno>
#include <cstring>
#include <map>
#include <mutex>

#include "api/objects.hpp"
#include "base/types.hpp"
#include "tutti/tutti.h"

namespace {

using namespace tutti;
using namespace tutti::api;

// What tuttiMemAlloc has given out, so that tuttiMemFree recognises it.
class Allocations {
 public:
  Result<void*> allocate(size_t size) {
    void* const memory = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) {
      return tl::make_unexpected(system_error(errno, fmt::format("tuttiMemAlloc: mmap of {} bytes", size)));
    }
    madvise(memory, size, MADV_HUGEPAGE);  // a hint: without huge pages it works as well
    const std::lock_guard lock(mutex_);
    sizes_[memory] = size;
    return memory;
  }

  Status free(void* memory) {
    size_t size = 0;
    {
      const std::lock_guard lock(mutex_);
      const auto found = sizes_.find(memory);
      if (found == sizes_.end()) {
        return invalid_argument("tuttiMemFree: ptr is {}, which tuttiMemAlloc did not give", memory);
      }
      size = found->second;
      sizes_.erase(found);
    }
    return munmap(memory, size) == 0 ? Status() : system_error(errno, "tuttiMemFree: munmap");
  }

  static Allocations& instance() {
    static auto* const allocations = new Allocations;  // may be used until the very end of the process
    return *allocations;
  }

 private:
  std::mutex mutex_;
  std::map<void*, size_t> sizes_;
};

struct Registration {
  void* buffer;
  size_t size;
};

HandleTable<Registration>& registrations() {
  static auto* const table = new HandleTable<Registration>;
  return *table;
}

Status check_registration(void* buff, size_t size, void** handle) {
  if (handle == nullptr) {
    return invalid_argument("tuttiCommRegister: handle is NULL");
  }
  *handle = nullptr;
  if (buff == nullptr) {
    return invalid_argument("tuttiCommRegister: buff is NULL");
  }
  if (size == 0) {
    return invalid_argument("tuttiCommRegister: size is 0");
  }
  return {};
}

}  // namespace

extern "C" {

tuttiResult_t tuttiMemAlloc(void** ptr, size_t size) {
  return guarded([&]() -> Status {
    if (ptr == nullptr) {
      return invalid_argument("tuttiMemAlloc: ptr is NULL");
    }
    *ptr = nullptr;
    if (size == 0) {
      return invalid_argument("tuttiMemAlloc: size is 0");
    }
    const auto memory = Allocations::instance().allocate(size);
    if (!memory) {
      return memory.error();
    }
    *ptr = *memory;
    return {};
  });
}

tuttiResult_t tuttiMemFree(void* ptr) {
  if (ptr == nullptr) {
    return tuttiSuccess;
  }
  return guarded([&] { return Allocations::instance().free(ptr); });
}

tuttiResult_t tuttiCommRegister(tuttiComm_t comm, void* buff, size_t size, void** handle) {
  return guarded_on(comm, "tuttiCommRegister", [&](comm::Communicator& communicator) -> Status {
    TUTTI_RETURN_IF_ERROR(communicator.check_usable("tuttiCommRegister"));
    TUTTI_RETURN_IF_ERROR(check_registration(buff, size, handle));
    *handle = registrations().insert(std::make_shared<Registration>(Registration{buff, size}));
    return *handle == nullptr ? failure(tuttiSystemError, "tuttiCommRegister: too many registrations") : Status();
  });
}

tuttiResult_t tuttiCommDeregister(tuttiComm_t comm, void* handle) {
  return guarded_on(comm, "tuttiCommDeregister", [&](comm::Communicator&) -> Status {
    return registrations().remove(handle) != nullptr
               ? Status()
               : invalid_argument("tuttiCommDeregister: handle is {}, which tuttiCommRegister did not give", handle);
  });
}

tuttiResult_t tuttiRedOpCreatePreMulSum(tuttiRedOp_t* op, void* scalar, tuttiDataType_t datatype, tuttiScalarResidence_t residence,
                                        tuttiComm_t comm) {
  return guarded_on(comm, "tuttiRedOpCreatePreMulSum", [&](comm::Communicator& communicator) -> Status {
    if (op == nullptr) {
      return invalid_argument("tuttiRedOpCreatePreMulSum: op is NULL");
    }
    if (scalar == nullptr) {
      return invalid_argument("tuttiRedOpCreatePreMulSum: scalar is NULL");
    }
    if (size_of(datatype) == 0) {
      return invalid_argument("tuttiRedOpCreatePreMulSum: datatype is {}, which is none of tuttiDataType_t", static_cast<int>(datatype));
    }
    if (residence != tuttiScalarHostImmediate) {
      return invalid_argument("tuttiRedOpCreatePreMulSum: residence is {}; only tuttiScalarHostImmediate is known",
                              static_cast<int>(residence));
    }
    comm::CustomOperator custom{.datatype = datatype};
    std::memcpy(custom.scalar.data(), scalar, size_of(datatype));
    *op = communicator.operators().add(custom);
    return {};
  });
}

tuttiResult_t tuttiRedOpCreate(tuttiRedOp_t* op, tuttiRedFunction_t function, void* context, tuttiComm_t comm) {
  return guarded_on(comm, "tuttiRedOpCreate", [&](comm::Communicator& communicator) -> Status {
    if (op == nullptr) {
      return invalid_argument("tuttiRedOpCreate: op is NULL");
    }
    if (function == nullptr) {
      return invalid_argument("tuttiRedOpCreate: function is NULL");
    }
    *op = communicator.operators().add({.function = function, .context = context});
    return {};
  });
}

tuttiResult_t tuttiRedOpDestroy(tuttiRedOp_t op, tuttiComm_t comm) {
  return guarded_on(comm, "tuttiRedOpDestroy", [&](comm::Communicator& communicator) { return communicator.operators().remove(op); });
}

}  // extern "C"
