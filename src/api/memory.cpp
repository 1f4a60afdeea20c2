// SPDX-License-Identifier: Apache-2.0
// Memory, registration and operators made at run time.
#include <cstring>

#include "api/objects.hpp"
#include "base/types.hpp"
#include "comm/memory.hpp"
#include "tutti/tutti.h"

namespace {

using namespace tutti;
using namespace tutti::api;

struct Registration {
  void* buffer;
  size_t size;
};

HandleTable<Registration>& registrations() {
  static auto* const table = new HandleTable<Registration>;
  return *table;
}

HandleTable<Registration>& windows() {
  static auto* const table = new HandleTable<Registration>;
  return *table;
}

// What tuttiCommRegister and tuttiCommWindowRegister share.
Status add_registration(HandleTable<Registration>& table, std::string_view function, void* buff, size_t size, void** handle) {
  *handle = nullptr;
  if (buff == nullptr) {
    return invalid_argument("{}: buff is NULL", function);
  }
  if (size == 0) {
    return invalid_argument("{}: size is 0", function);
  }
  *handle = table.insert(std::make_shared<Registration>(Registration{buff, size}));
  if (*handle == nullptr) {
    return failure(tuttiSystemError, "{}: too many registrations", function);
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
    const Result<void*> memory = comm::allocate_memory(size);
    if (!memory.has_value()) {
      return failure(memory.error().code(), "tuttiMemAlloc: {}", memory.error().message());
    }
    *ptr = *memory;
    return {};
  });
}

tuttiResult_t tuttiMemFree(void* ptr) {
  if (ptr == nullptr) {
    return tuttiSuccess;
  }
  return guarded([&] {
    return comm::free_memory(ptr) ? Status() : invalid_argument("tuttiMemFree: ptr is {}, which tuttiMemAlloc did not give", ptr);
  });
}

tuttiResult_t tuttiCommRegister(tuttiComm_t comm, void* buff, size_t size, void** handle) {
  return guarded_on(comm, "tuttiCommRegister", [&](comm::Communicator& communicator) -> Status {
    TUTTI_RETURN_IF_ERROR(communicator.check_usable("tuttiCommRegister"));
    if (handle == nullptr) {
      return invalid_argument("tuttiCommRegister: handle is NULL");
    }
    return add_registration(registrations(), "tuttiCommRegister", buff, size, handle);
  });
}

tuttiResult_t tuttiCommDeregister(tuttiComm_t comm, void* handle) {
  return guarded_on(comm, "tuttiCommDeregister", [&](comm::Communicator&) -> Status {
    return registrations().remove(handle) != nullptr
               ? Status()
               : invalid_argument("tuttiCommDeregister: handle is {}, which tuttiCommRegister did not give", handle);
  });
}

tuttiResult_t tuttiCommWindowRegister(tuttiComm_t comm, void* buff, size_t size, tuttiWindow_t* win, int winFlags) {
  return guarded_on(comm, "tuttiCommWindowRegister", [&](comm::Communicator& communicator) -> Status {
    TUTTI_RETURN_IF_ERROR(communicator.check_usable("tuttiCommWindowRegister"));
    if (winFlags != TUTTI_WIN_DEFAULT && winFlags != TUTTI_WIN_COLL_SYMMETRIC) {
      return invalid_argument("tuttiCommWindowRegister: winFlags is {}, which is none of TUTTI_WIN_DEFAULT, TUTTI_WIN_COLL_SYMMETRIC", winFlags);
    }
    if (win == nullptr) {
      return invalid_argument("tuttiCommWindowRegister: win is NULL");
    }
    void* handle = nullptr;
    Status status = add_registration(windows(), "tuttiCommWindowRegister", buff, size, &handle);
    *win = static_cast<tuttiWindow_t>(handle);
    return status;
  });
}

tuttiResult_t tuttiCommWindowDeregister(tuttiComm_t comm, tuttiWindow_t win) {
  return guarded_on(comm, "tuttiCommWindowDeregister", [&](comm::Communicator&) -> Status {
    return windows().remove(win) != nullptr ? Status()
                                            : invalid_argument("tuttiCommWindowDeregister: win is {}, which tuttiCommWindowRegister did not give",
                                                               static_cast<const void*>(win));
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
