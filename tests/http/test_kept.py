"""A validation says by itself what profiles of its model kept of what they state."""
import unittest

from support import client, dataset, program
from support.case import Case, import_model
from test_scoring import ended
from test_validation import WORDS, site, site_name

PATIENTS = 80
ASKED = {'labels': WORDS, 'other_words': 'ignore', 'max_age': 1000}


class Kept(Case):
    @classmethod
    def setUpClass(cls):
        cls.datasets = program.new_folder('datasets')
        site(cls.datasets, 'site', 2 * PATIENTS)
        with open(f'{cls.datasets}/site/first.txt', 'w', encoding='ascii') as file:
            file.write('\n'.join(site_name(i) for i in range(PATIENTS)))
        with open(f'{cls.datasets}/site/second.txt', 'w', encoding='ascii') as file:
            file.write('\n'.join(site_name(i) for i in range(PATIENTS, 2 * PATIENTS)))
        cls.server = program.Server(datasets=cls.datasets)
        cls.addClassCleanup(cls.server.stop)
        cls.model = import_model(cls.server, dataset.weights())['id']
        cls.first = ended(cls.server, 'validate', {'dataset': 'site', 'rows': 'first.txt', **ASKED})

    def make(self, **more):
        reply = client.post_json(self.server, f'/models/{self.model}/profiles', {'validation': self.first['id'], **more})
        self.assertEqual(reply.status, 201, reply)
        return reply.json()['id']

    def test_of_the_active_profile_and_the_one_that_is_named(self):
        self.assertEqual(self.first['kept'], [])
        active, before = self.make(error_rate=0.1, name='ward'), self.make()
        self.assertEqual(client.post(self.server, f'/profiles/{active}/activate').status, 200)
        record = ended(self.server, 'validate', {'dataset': 'site', 'rows': 'second.txt', 'profile': before, **ASKED})
        self.assertEqual(record['config']['profile'], before)
        self.assertEqual([(k['profile'], k['name'], k['active'], k['expired'], k['rows_in_common'], k['error_rate']) for k in record['kept']],
                         [(active, 'ward', True, False, 0, 0.1), (before, None, False, False, 0, None)])
        for kept in record['kept']:
            told = client.get(self.server, f'/profiles/{kept["profile"]}/kept?validation={record["id"]}').json()
            self.assertEqual(kept['findings'], told['findings'])
        effusion = next(f for f in record['kept'][0]['findings'] if f['label'] == 'Effusion')
        self.assertGreaterEqual(effusion['positive_patients'], 20)
        self.assertIsNotNone(effusion['missed'])
        report = client.get(self.server, f'/jobs/{record["id"]}/report').body.decode()
        self.assertIn('The active profile on these rows', report)
        self.assertIn('An earlier profile on these rows', report)
        self.assertIn('at most 10 %', report)
        self.assertNotIn('profile_rows', [w['code'] for w in record['warnings']])
        self.assertNotIn('kept', next(j for j in client.get(self.server, '/jobs').json()['jobs'] if j['id'] == record['id']))
        again = ended(self.server, 'validate', {'dataset': 'site', **ASKED})
        self.assertEqual([k['rows_in_common'] for k in again['kept']], [PATIENTS])
        self.assertIn('profile_rows', [w['code'] for w in again['warnings']])

    def test_a_profile_that_cannot_be_is_refused(self):
        other = import_model(self.server, dataset.weights(2), activate=False)['id']
        profile = self.make()
        for body in ({'profile': '00000000-0000-4000-8000-000000000000'}, {'profile': profile, 'model': other}, {'profile': 'x'}):
            reply = client.post_json(self.server, '/jobs/validate', {'dataset': 'site', **ASKED, **body})
            self.assert_wrong_fields(reply, 'profile')
        self.assert_wrong_fields(client.post_json(self.server, '/jobs/predict', {'dataset': 'site', 'profile': profile}), 'profile')


if __name__ == '__main__':
    unittest.main()
