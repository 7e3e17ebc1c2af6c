"""How many threads the server has, and why."""
import os
import shutil
import subprocess
import unittest

from support import program
from support.case import Case


def mounted():
    """Where a control group tree with CPU quotas is mounted, and the group that is ours in it: (version, folder, group)."""
    with open('/proc/self/cgroup', encoding='utf-8') as file:
        groups = [line.rstrip('\n').split(':', 2) for line in file]
    with open('/proc/self/mountinfo', encoding='utf-8') as file:
        mounts = [line.split() for line in file]
    for number, controllers, group in groups:
        version = 2 if number == '0' and not controllers else 1 if 'cpu' in controllers.split(',') else 0
        for mount in mounts:
            kind, options = mount[mount.index('-') + 1], mount[-1].split(',')
            if version and kind == ('cgroup2' if version == 2 else 'cgroup') and (version == 2 or 'cpu' in options) and mount[3] == '/':
                yield version, mount[4], group


class Threads(Case):

    def said(self, command, cpus):
        """The log's lines about its threads."""
        before = os.sched_getaffinity(0)
        os.sched_setaffinity(0, cpus)
        try:
            server = program.Server(threads=None, wrapper=command)
        finally:
            os.sched_setaffinity(0, before)
        self.addCleanup(server.stop)
        return program.poll(lambda: [line for line in server.log() if line['message'] == 'threads'], 'it is said')[0]

    def test_row_62_as_many_as_the_scheduler_allows(self):
        cpus = sorted(os.sched_getaffinity(0))
        said = self.said([], cpus[:1])
        self.assertEqual((said['cores_allowed'], said['threads']), (1, 1))
        if len(cpus) > 1:
            self.assertEqual(self.said([], cpus[:2])['cores_allowed'], 2)

    def test_row_62_as_many_as_a_quota_above_us_allows(self):
        """In a namespace of its own, where another tree lies over the system's control groups."""
        tree = next(mounted(), None)
        wrapper = ['unshare', '--user', '--map-root-user', '--mount', 'sh', '-c']
        if not tree or tree[2] == '/' or '/..' in tree[2]:
            self.skipTest('this process is in no control group of its own')
        if not shutil.which('unshare') or subprocess.run([*wrapper, 'true'], capture_output=True, check=False).returncode:
            self.skipTest('no namespaces here')
        version, folder, group = tree
        fake = program.new_folder('groups')
        os.makedirs(fake + group)
        parent = os.path.dirname(fake + group)
        for name, text in (('cpu.max', '50000 100000'),) if version == 2 else (('cpu.cfs_quota_us', '50000'), ('cpu.cfs_period_us', '100000')):
            with open(os.path.join(parent, name), 'w', encoding='ascii') as file:
                file.write(text)
        said = self.said([*wrapper, f'mount --bind {fake} {folder} && exec "$0" "$@"'], sorted(os.sched_getaffinity(0)))
        self.assertEqual((said['cpu_quota'], said['threads']), (0.5, 1))
        self.assertTrue(said['cpu_quota_from'].startswith(folder), said)


if __name__ == '__main__':
    unittest.main()
