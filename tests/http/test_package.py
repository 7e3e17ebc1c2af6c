"""What `cmake --install` puts down, what the Debian package of it holds, and that where it was built is no part of either."""
import gzip
import hashlib
import json
import os
import re
import shutil
import subprocess
import unittest

from support import program
from support.case import Case

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.path.dirname(os.path.abspath(program.BINARY))
MANUAL, COMPLETIONS = 'share/man/man1/cxrd.1.gz', {'share/bash-completion/completions/cxrd': 'bash', 'share/zsh/vendor-completions/_cxrd': 'zsh',
                                                   'share/fish/vendor_completions.d/cxrd.fish': 'fish'}
SERVICE = {'lib/systemd/system/cxrd.service': 'cxrd.service', 'lib/sysusers.d/cxrd.conf': 'cxrd.sysusers', 'lib/tmpfiles.d/cxrd.conf': 'cxrd.tmpfiles'}
INSTALLED = {'bin/cxrd', 'bin/cxrd-decode', MANUAL, *COMPLETIONS, *SERVICE}
PACKED = {'/etc/default/cxrd', *(f'/usr/share/doc/cxrd/{name}' for name in ('changelog.gz', 'changelog.Debian.gz', 'copyright')),
          *(f'/usr/{name}' for name in INSTALLED)}


def read(*path):
    with open(os.path.join(*path), 'rb') as file:
        return file.read()


def without_cache(**more):
    """No compiler cache: it would give both folders what one of them compiled."""
    kept = {name: value for name, value in program.environment(**more).items() if not name.endswith('_COMPILER_LAUNCHER')}
    return {**kept, 'CCACHE_DISABLE': '1'}


def run(*command, **how):
    return subprocess.run(command, check=True, capture_output=True, timeout=program.END_SECONDS, **{'text': True, **how}).stdout


@unittest.skipUnless(shutil.which('cmake'), 'cmake is not installed')
class Installed(Case):

    def test_everything_lies_where_it_is_looked_for(self):
        folder = program.new_folder('installed')
        run('cmake', '--install', BUILD, '--prefix', folder)
        files = {os.path.relpath(os.path.join(path, name), folder) for path, _, names in os.walk(folder) for name in names}
        self.assertEqual(files, INSTALLED)
        self.assertEqual(gzip.decompress(read(folder, MANUAL)).decode(), program.run('--man').stdout)
        for place, shell in COMPLETIONS.items():
            self.assertEqual(read(folder, place).decode(), program.run('completion', shell).stdout)
        for place, name in SERVICE.items():
            self.assertEqual(read(folder, place), read(ROOT, 'packaging', name))

    @unittest.skipUnless(shutil.which('systemd-sysusers'), 'systemd is not installed')
    def test_the_user_of_the_unit_is_made(self):
        folder = program.new_folder('system')
        os.makedirs(os.path.join(folder, 'etc'))
        run('systemd-sysusers', f'--root={folder}', os.path.join(ROOT, 'packaging', 'cxrd.sysusers'))
        user = re.search(r'^User=(.*)$', read(ROOT, 'packaging', 'cxrd.service').decode(), re.M)[1]
        self.assertIn(user, [line.split(':')[0] for line in read(folder, 'etc', 'passwd').decode().splitlines()])
        self.assertIn(f' {user} {user} ', read(ROOT, 'packaging', 'cxrd.tmpfiles').decode())


@unittest.skipIf(program.SANITIZED, "a sanitizer's program is not packaged")
@unittest.skipUnless(all(map(shutil.which, ('cpack', 'dpkg-deb', 'dpkg-shlibdeps', 'file'))), 'dpkg-dev or file is not installed')
class Package(Case):

    @staticmethod
    def pack():
        """Like ./dev deb, but for the time that packing takes."""
        folder = program.new_folder('deb')
        run('cpack', '-B', folder, '-D', 'CPACK_DEBIAN_COMPRESSION_TYPE=gzip', cwd=BUILD, env=program.environment(SOURCE_DATE_EPOCH='1000000000'))
        package, = [name for name in os.listdir(folder) if name.endswith('.deb')]
        return os.path.join(folder, package)

    @classmethod
    def setUpClass(cls):
        cls.package = cls.pack()
        cls.root = os.path.join(program.new_folder('unpacked'), 'root')
        run('dpkg-deb', '-R', cls.package, cls.root)

    def field(self, name):
        return run('dpkg-deb', '-f', self.package, name).strip()

    def test_it_holds_these_files(self):
        lines = [line.split(maxsplit=5) for line in run('dpkg-deb', '-c', self.package).splitlines()]
        files = {words[5].removeprefix('.'): words for words in lines if not words[0].startswith('d')}
        self.assertEqual(set(files), PACKED)
        for words in lines:
            self.assertEqual((words[1], words[3]), ('root/root', '2001-09-09'), words)
            self.assertRegex(words[0], r'-rwxr-xr-x' if '/bin/cxrd' in words[5] else r'drwxr-xr-x|-rw-r--r--')
        self.assertEqual(read(self.root, 'DEBIAN', 'conffiles'), b'/etc/default/cxrd\n')
        for name in ('postinst', 'prerm', 'postrm'):
            self.assertTrue(os.access(os.path.join(self.root, 'DEBIAN', name), os.X_OK), name)

    def test_its_programs_run(self):
        for name in ('cxrd', 'cxrd-decode'):
            self.assertLess(len(read(self.root, 'usr', 'bin', name)), len(read(BUILD, name)), 'it is not stripped')
        said = run(os.path.join(self.root, 'usr', 'bin', 'cxrd'), '--version')
        self.assertEqual(said, program.run('--version').stdout)
        self.assertIn(self.field('Version').split('-')[0], said)

    def test_it_needs_what_the_programs_are_linked_with(self):
        needed = set(re.findall(r'(?:^|, )(lib[^ ,]+|zlib1g)', self.field('Depends')))
        listed = set(re.findall(r'^runtime +(\S+)', read(ROOT, 'docker', 'packages.txt').decode(), re.M))
        self.assertEqual({name.removesuffix('-pthread') for name in listed - {'ca-certificates'}},
                         needed - {'libc6', 'libgcc-s1', 'libstdc++6'})

    def test_the_same_build_makes_the_same_package(self):
        self.assertEqual(*(hashlib.sha256(read(package)).hexdigest() for package in (self.package, self.pack())))


class Folders(Case):
    """Where the sources and the build lie is no part of the program. Here by a sample; `./dev reproduce` builds all of it twice."""

    def compiled(self, folder):
        """The digests of objects, one of each library and program, of files that need nothing generated but the version."""
        build = os.path.join(folder, 'build', 'release')
        run('cmake', '--preset', 'release', '-DCXRD_TESTS=OFF', cwd=folder, env=without_cache())
        first = {}
        for command in json.loads(read(build, 'compile_commands.json')):
            made = re.search(r' -o (\S+)', command['command'])[1]
            if 'generated' not in command['file'] and not made.startswith(('CMakeFiles/bench', 'CMakeFiles/peak')):
                first.setdefault(made.split('/')[1], (made, command['command']))
        for made, command in first.values():
            os.makedirs(os.path.dirname(os.path.join(build, made)), exist_ok=True)
            run('sh', '-c', command, cwd=build, env=without_cache())
        return {made: hashlib.sha256(read(build, made)).hexdigest() for made, _ in first.values()}

    @unittest.skipIf(program.SANITIZED, 'the release build is the one that is shipped')
    @unittest.skipUnless(all(map(shutil.which, ('git', 'cmake', 'ninja'))), 'no git, cmake or ninja')
    def test_two_folders_make_the_same_objects(self):
        folders = [os.path.join(program.new_folder('a'), 'x'), os.path.join(program.new_folder('another'), 'of', 'a', 'longer', 'name')]
        for folder in folders:
            for name in run('git', '-C', ROOT, 'ls-files', '-z').split('\0')[:-1]:
                if not name.startswith(('tests/', 'bench/RESULTS')) and os.path.exists(os.path.join(ROOT, name)):
                    os.makedirs(os.path.dirname(os.path.join(folder, name)), exist_ok=True)
                    shutil.copy2(os.path.join(ROOT, name), os.path.join(folder, name))
        first, second = map(self.compiled, folders)
        self.assertEqual(first, second)
        self.assertLessEqual({'cxrd', 'cxrd-decode', 'server', 'http', 'jobs', 'model', 'kernels_generic', 'dicom', 'decode', 'base'},
                             {name.split('/')[1].removesuffix('.dir') for name in first})

    @unittest.skipIf(program.SANITIZED, 'the release build is the one that is shipped')
    def test_no_program_names_the_folder_that_it_was_built_in(self):
        for name in ('cxrd', 'cxrd-decode'):
            self.assertNotIn(f'{ROOT}/'.encode(), read(BUILD, name))
