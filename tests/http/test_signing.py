"""Signatures of profiles and models: cxrd sign and verify, and servers that take nothing that none of their keys has signed."""
import json
import os
import shutil
import subprocess

from support import client, dataset, picture, program
from support.case import QUICK, Case, import_model, submit, wait_state
from test_profiles import site_rows


def new_key(folder, name):
    """A private key; its public one goes to <folder>/keys."""
    os.makedirs(os.path.join(folder, 'keys'), exist_ok=True)
    private = os.path.join(folder, f'{name}.key')
    subprocess.run(['openssl', 'genpkey', '-algorithm', 'ed25519', '-out', private], check=True, capture_output=True)
    subprocess.run(['openssl', 'pkey', '-in', private, '-pubout', '-out', os.path.join(folder, 'keys', f'{name}.pem')], check=True,
                   capture_output=True)
    return private


class Signing(Case):

    def serve(self, *arguments, **kwargs):
        server = program.Server(*arguments, datasets=dataset.tiny(), **kwargs)
        self.addCleanup(server.stop)
        return server

    def sign(self, *arguments):
        done = program.run('sign', *arguments)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn('signed by key ', done.stderr)
        return done.stdout


class Profiles(Signing):

    def test_only_a_signed_profile_is_active_and_one_byte_undoes_it(self):
        folder = program.new_folder('signing')
        key, stranger = new_key(folder, 'site'), new_key(program.new_folder('stranger'), 'stranger')
        keys = os.path.join(folder, 'keys')
        server = self.serve('--profile-keys', keys)
        job = submit(server, QUICK)
        model = wait_state(server, job, 'succeeded')['model']
        client.post(server, f'/models/{model}/activate')
        site_rows(os.path.join(server.state, 'jobs', job, 'scores.csv'))
        profiles = f'/models/{model}/profiles'
        made = client.post_json(server, profiles, {'validation': job, 'error_rate': 0.1}).json()
        self.assert_problem(client.post(server, f'/profiles/{made["id"]}/activate'), 409, 'not signed')
        self.assert_problem(client.post_json(server, profiles, made), 409, 'not signed')

        path, signed_path = os.path.join(folder, 'made.json'), os.path.join(folder, 'signed.json')
        with open(path, 'w', encoding='ascii') as file:
            json.dump(made, file, indent=1)
        self.assertEqual(self.sign('--key', key, path, '-o', signed_path), '')
        with open(signed_path, encoding='ascii') as file:
            signed = json.load(file)
        done = program.run('verify', '--keys', keys, signed_path)
        self.assertEqual((done.returncode, done.stdout[:14]), (0, 'signed by key '), done.stderr)
        by_stranger = json.loads(self.sign('--key', stranger, path))
        for wrong, says in (({**signed, 'signature': by_stranger['signature']}, 'not signed by one of the 1 keys'),
                            ({**signed, 'signature': signed['signature'][:-1]}, 'hexadecimal digits'),
                            ({**signed, 'profile': {**signed['profile'], 'population': 'others'}}, 'or not as it is')):
            reply = client.post_json(server, profiles, wrong)
            self.assertIn(reply.status, (409, 422), reply)
            self.assertIn(says, reply.json()['detail'])
            with open(path, 'w', encoding='ascii') as file:
                json.dump(wrong, file)
            self.assertEqual(program.run('verify', '--keys', keys, path).returncode, 1)

        film_path, weights_path = os.path.join(folder, 'film.png'), os.path.join(folder, 'weights')
        for at, content in ((film_path, picture.noise(1)), (weights_path, client.get(server, f'/models/{model}/weights').body)):
            with open(at, 'wb') as file:
                file.write(content)
        for at, code, says in ((signed_path, 0, ''), (path, 1, 'or not as it is')):
            done = program.run('predict', '--weights', weights_path, '--profile', at, '--profile-keys', keys, film_path)
            self.assertEqual((done.returncode, says in done.stderr), (code, True), done.stderr)

        taken = client.post_json(server, profiles, signed)
        self.assertEqual((taken.status, taken.json()['signature']), (201, signed['signature']), taken)
        self.assertEqual(client.post(server, f'/profiles/{taken.json()["id"]}/activate').status, 200)
        film = picture.noise(1)
        self.assertEqual(client.post(server, '/predict', film).json()['profile']['id'], taken.json()['id'])

        # keys change: both beside each other, then the old one goes
        server.stop()
        newer = new_key(folder, 'newer')
        server = self.serve('--profile-keys', keys, state=server.state)
        self.assertEqual(client.post(server, '/predict', film).status, 200)
        server.stop()
        os.remove(os.path.join(keys, 'site.pem'))
        server = self.serve('--profile-keys', keys, state=server.state)
        self.assert_problem(client.post(server, '/predict', film), 503, 'not signed by one of the 1 keys')
        again = client.post_json(server, profiles, json.loads(self.sign('--key', newer, signed_path)))
        self.assertEqual(client.post(server, f'/profiles/{again.json()["id"]}/activate').status, 200)
        self.assertEqual(client.post(server, '/predict', film).json()['profile']['id'], again.json()['id'])
        server.stop()
        server = self.serve(state=server.state)  # who asks for no signature takes any
        self.assertEqual(client.post(server, '/predict', film).json()['profile']['id'], again.json()['id'])

    def test_keys_that_are_none_end_the_server_with_a_sentence(self):
        folder = program.new_folder('signing')
        for option in ('--profile-keys', '--model-keys'):
            done = program.run('serve', '--listen', '127.0.0.1:0', '--state', program.new_folder('state'), option, folder)
            self.assertEqual(done.returncode, 1)
            self.assertIn('the folder of keys has no *.pem', done.stderr)


class Models(Signing):

    def test_a_model_is_taken_and_answers_only_when_it_is_signed(self):
        folder = program.new_folder('signing')
        key, keys = new_key(folder, 'site'), os.path.join(folder, 'keys')
        server = self.serve('--model-keys', keys)
        path = dataset.weights_path(1)
        signature = self.sign('--key', key, path).strip()
        self.assertEqual(len(signature), 128)
        self.assertEqual(program.run('verify', '--keys', keys, '--signature', signature, path).returncode, 0)
        self.assertEqual(program.run('verify', '--keys', keys, path).returncode, 1)

        def send(data, query):
            return client.post(server, f'/models{query}', data, Content_Type='application/octet-stream')

        self.assert_problem(send(dataset.weights(1), ''), 422, 'it is not signed')
        self.assert_problem(send(dataset.weights(2), f'?signature={signature}'), 422, 'or not as it is')
        self.assert_problem(send(dataset.weights(1), '?signature=12'), 422, 'hexadecimal')
        self.assertEqual(client.get(server, '/models').json()['models'], [])
        reply = send(dataset.weights(1), f'?signature={signature}')
        self.assertEqual(reply.status, 201, reply)
        one = reply.json()['id']
        self.assertEqual(client.post(server, f'/models/{one}/activate').status, 200)

        # a training makes one that nobody has signed yet
        job = submit(server, {**QUICK, 'promote': 'always', 'seed': 5})
        record = wait_state(server, job, 'succeeded')
        two = record['model']
        self.assertFalse(record['promotion']['promoted'])
        self.assertIn('nobody has signed it', record['promotion']['reason'])
        self.assert_problem(client.post(server, f'/models/{two}/activate'), 409, 'nobody has signed it')
        film = picture.noise(1)
        self.assert_problem(client.post(server, f'/predict?model={two}', film), 409, 'nobody has signed it')
        weights = os.path.join(folder, 'two.safetensors')
        with open(weights, 'wb') as file:
            file.write(client.get(server, f'/models/{two}/weights').body)
        self.assert_problem(client.post_json(server, f'/models/{two}/signature', {'signature': signature}), 422, 'not signed')
        self.assert_problem(client.post_json(server, f'/models/{two}/signature', {'sign': 1}), 422, 'hexadecimal')
        told = client.post_json(server, f'/models/{two}/signature', {'signature': self.sign('--key', key, weights).strip()})
        self.assertEqual((told.status, told.json()['id']), (200, two), told)
        self.assertEqual(client.post(server, f'/models/{two}/activate').status, 200)

        # a key that is taken away: nothing answers
        server.stop()
        os.remove(os.path.join(keys, 'site.pem'))
        new_key(folder, 'other')
        server = self.serve('--model-keys', keys, state=server.state)
        self.assertEqual(client.get(server, '/readyz').status, 503)
        self.assert_problem(client.post(server, '/predict', film), 503)
        server.stop()
        server = self.serve(state=server.state)
        self.assertEqual(client.post(server, '/predict', film).status, 200)
        self.assert_problem(client.post_json(server, f'/models/{two}/signature', {'signature': signature}), 409, '--model-keys')

    def test_what_cannot_be_signed_is_refused_in_a_sentence(self):
        folder = program.new_folder('signing')
        key = new_key(folder, 'site')
        weights = dataset.weights_path(1)
        other = os.path.join(folder, 'other.json')
        with open(other, 'w', encoding='ascii') as file:
            file.write('{"a": 1}')
        for arguments, code, says in (((), 2, 'give a file'), (('--key', key), 2, 'give a file'),
                                      (('--key', key, other), 1, 'no profile'),
                                      (('--key', weights, weights), 1, 'weights.safetensors'),
                                      (('--key', key, weights, '-o', other), 1, 'is there already'),
                                      (('--key', key, weights, '-o', os.path.join(folder, 'x')), 1, 'not written anew'),
                                      (('--key', key, os.path.join(folder, 'none')), 1, 'none')):
            done = program.run('sign', *arguments)
            self.assertEqual(done.returncode, code, done)
            self.assertIn(says, done.stderr)
        self.assertEqual(program.run('verify', weights).returncode, 2)
