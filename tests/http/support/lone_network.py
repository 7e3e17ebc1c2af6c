"""A network of its own, in which addresses that lead elsewhere are this machine: so one can listen at them.

`-m support.lone_network ADDRESS...` is run by run() in a new network namespace. It prints as JSON what the program said of
a notice to each address, and how many connected there; first where they are allowed, then where they are trusted too."""
import base64
import json
import os
import subprocess
import sys

from . import dataset, outside, program
from .case import NOTHING, submit


def run(addresses):
    """{address: {'allowed': [why, connections], 'trusted': [...]}}; None where this system has no namespaces for us."""
    here = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    done = subprocess.run(['unshare', '-rn', sys.executable, '-B', '-m', 'support.lone_network', *addresses], capture_output=True,
                          text=True, timeout=300, check=False, env={**os.environ, 'PYTHONPATH': here})
    if 'unshare failed' in done.stderr or 'Operation not permitted' in done.stderr:
        return None
    if done.returncode != 0:
        raise AssertionError(done.stderr)
    return json.loads(done.stdout)


def place(trap):
    return f'[{trap.address}]:{trap.port}' if ':' in trap.address else f'{trap.address}:{trap.port}'


def outcomes(traps, *trust):
    """The fate of a notice to each, and how many have connected there."""
    secret = os.path.join(program.new_folder('secret'), 'secret')
    with open(secret, 'w', encoding='ascii') as file:
        file.write('whsec_' + base64.b64encode(bytes(24)).decode() + '\n')
    hosts = ','.join(place(trap) for trap in traps)
    server = program.Server('--webhook-secret', secret, '--webhook-retry', '3600', '--webhook-hosts', hosts,
                            *(word for flag in trust for word in (flag, hosts)), datasets=dataset.tiny())

    def told():
        return [line['detail'] for line in server.log() if line['message'].startswith('notice ')]

    found = []
    for trap in traps:
        before = trap.caught
        said = len(told())
        submit(server, {**NOTHING, 'webhook': f'https://{place(trap)}/'})
        program.poll(lambda: len(told()) > said, 'what became of it')  # pylint: disable=cell-var-from-loop
        found.append((told()[said], trap.caught - before))
    server.stop()
    return found


def main(addresses):
    subprocess.run(['ip', 'link', 'set', 'lo', 'up'], check=True)
    for address in addresses:
        subprocess.run(['ip', 'addr', 'add', address + ('/128' if ':' in address else '/32'), 'dev', 'lo',
                        *(['nodad'] if ':' in address else [])], check=True)
    traps = [outside.Trap(address) for address in addresses]
    allowed, trusted = outcomes(traps), outcomes(traps, '--outgoing-private')
    print(json.dumps({address: {'allowed': one, 'trusted': other} for address, one, other in zip(addresses, allowed, trusted)}))


if __name__ == '__main__':
    main(sys.argv[1:])
