"""Two machines with a cable between them, as network namespaces of this one: for mpirun, which begins a rank in each.

Needs ip (iproute2) and root. `tc` shapes the cable where a rate is given."""
import os
import signal
import subprocess

NETWORK = '10.97.1.0/24'
ADDRESSES = ('10.97.1.1', '10.97.1.2')


class CannotBeMade(Exception):
    """This system lets nobody make namespaces; it says so in its own words."""


class TwoHosts:
    """`how` begins a command line of mpirun that has one rank on each host."""

    def __init__(self, folder, mpirun='mpirun'):
        self.names = tuple(f'cxrd-{os.getpid()}-{side}' for side in 'ab')
        a, b = self.names
        agent = os.path.join(folder, 'agent')  # stands for ssh, to the second
        with open(agent, 'w', encoding='ascii') as file:
            file.write(f'#!/bin/sh\nshift\nexec ip netns exec {b} sh -c "$*"\n')
        os.chmod(agent, 0o755)
        for name in self.names:
            done = subprocess.run(['ip', 'netns', 'add', name], capture_output=True, text=True, check=False)
            if done.returncode != 0:
                self.pull_down()
                raise CannotBeMade(f'network namespaces cannot be made here: {done.stderr}')
        for line in (f'ip -n {a} link add cable type veth peer name cable netns {b}',
                     *(f'ip -n {name} addr add {address}/24 dev cable' for name, address in zip(self.names, ADDRESSES)),
                     *(f'ip -n {name} link set {link} up' for name in self.names for link in ('lo', 'cable'))):
            subprocess.run(line.split(), check=True)
        self.how = ['ip', 'netns', 'exec', a, mpirun, '-H', ','.join(f'{address}:1' for address in ADDRESSES), '--mca', 'plm_rsh_agent', agent,
                    '--mca', 'btl', 'tcp,self', '--mca', 'btl_tcp_if_include', NETWORK, '--mca', 'oob_tcp_if_include', NETWORK]

    def shape(self, rate):
        """Both directions carry so much, as in 1gbit, by tc-tbf(8)."""
        for name in self.names:
            subprocess.run(['tc', '-n', name, 'qdisc', 'add', 'dev', 'cable', 'root', 'tbf', 'rate', rate, 'burst', '256kb', 'latency', '50ms'], check=True)

    def cut(self):
        subprocess.run(['ip', '-n', self.names[0], 'link', 'set', 'cable', 'down'], check=True)

    def pull_down(self):
        """Ends everything that still runs in them: mpirun leaves a daemon in the second, which nobody reaches any more."""
        for name in self.names:
            for process in subprocess.run(['ip', 'netns', 'pids', name], capture_output=True, text=True, check=False).stdout.split():
                os.kill(int(process), signal.SIGKILL)
            subprocess.run(['ip', 'netns', 'del', name], capture_output=True, check=False)
