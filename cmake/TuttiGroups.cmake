# SPDX-License-Identifier: Apache-2.0
# Names for what is built together, so that a script builds no more than it runs.

# All executables that the CMakeLists.txt of `folder` and of the folders below it define.
function(tutti_executables_below folder result)
  set(found "")
  get_property(targets DIRECTORY "${folder}" PROPERTY BUILDSYSTEM_TARGETS)
  foreach(target IN LISTS targets)
    get_target_property(type ${target} TYPE)
    if(type STREQUAL "EXECUTABLE")
      list(APPEND found ${target})
    endif()
  endforeach()
  get_property(subfolders DIRECTORY "${folder}" PROPERTY SUBDIRECTORIES)
  foreach(subfolder IN LISTS subfolders)
    tutti_executables_below("${subfolder}" below)
    list(APPEND found ${below})
  endforeach()
  set(${result} "${found}" PARENT_SCOPE)
endfunction()

# tutti_add_group(<name> FOLDER <folder>): a target that builds every executable of a folder, nothing when there is no such folder.
# The variable <name> becomes the list of the executables.
function(tutti_add_group name)
  cmake_parse_arguments(GROUP "" "FOLDER" "" ${ARGN})
  add_custom_target(${name})
  set(executables "")
  get_property(known DIRECTORY PROPERTY SUBDIRECTORIES)
  set(folder "${CMAKE_CURRENT_SOURCE_DIR}/${GROUP_FOLDER}")
  if(folder IN_LIST known)
    tutti_executables_below("${folder}" executables)
    add_dependencies(${name} tutti_shared ${executables})
  endif()
  set(${name} "${executables}" PARENT_SCOPE)
endfunction()

# tutti_add_to_group(<target> <name>...): building any of the groups builds the target; a group is made by its first member.
function(tutti_add_to_group target)
  foreach(name IN LISTS ARGN)
    if(NOT TARGET ${name})
      add_custom_target(${name})
    endif()
    add_dependencies(${name} ${target})
  endforeach()
endfunction()
