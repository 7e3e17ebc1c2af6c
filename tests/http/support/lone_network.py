"""A network of its own, in which addresses that lead elsewhere are this machine: so one can listen at them.

`-m support.lone_network ADDRESS...` is run by run() in a new network namespace. For each address it prints a line of JSON: what the
program said of a notice to it, and how many connected to it; first as the address is allowed, then as it is trusted too."""
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


def outcome(address, *trust):
    trap = outside.Trap(address)
    host = f'[{address}]:{trap.port}' if ':' in address else f'{address}:{trap.port}'
    secret = os.path.join(program.new_folder('secret'), 'secret')
    with open(secret, 'w', encoding='ascii') as file:
        file.write('whsec_' + base64.b64encode(bytes(24)).decode() + '\n')
    server = program.Server('--webhook-secret', secret, '--webhook-hosts', host, *(word for flag in trust for word in (flag, host)),
                            datasets=dataset.tiny())
    try:
        submit(server, {**NOTHING, 'webhook': f'https://{host}/'})
        line = program.poll(lambda: [line for line in server.log() if line['message'].startswith('notice ')], 'what became of it')[0]
        return line['detail'], trap.caught
    finally:
        server.stop()
        trap.stop()


def main(addresses):
    subprocess.run(['ip', 'link', 'set', 'lo', 'up'], check=True)
    for address in addresses:
        subprocess.run(['ip', 'addr', 'add', address + ('/128' if ':' in address else '/32'), 'dev', 'lo',
                        *(['nodad'] if ':' in address else [])], check=True)
    print(json.dumps({address: {'allowed': outcome(address), 'trusted': outcome(address, '--outgoing-private')}
                      for address in addresses}))


if __name__ == '__main__':
    main(sys.argv[1:])
