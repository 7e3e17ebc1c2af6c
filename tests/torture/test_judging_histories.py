"""The checker of histories: one that keeps all guarantees, and for each guarantee ones that break it and must be found."""
import copy
import itertools
import unittest

import history


def event(number, name, **data):
    return [number, name, data]


JOURNAL = [event(1, 'state', state='queued'), event(2, 'state', state='running'), event(3, 'epoch', epoch=1),
           event(4, 'state', state='running'), event(5, 'epoch', epoch=2), event(6, 'state', state='succeeded')]


def base():
    """Two jobs of one recipe, two activations, predictions around them, readers, and two servers that tell the same in the end."""
    clock = itertools.count()

    def line(op, **rest):
        return {'client': 'c', 'op': op, 'server': 0, 'invoked': next(clock), 'completed': next(clock), 'outcome': 'ok', **rest}

    def prediction(model, epoch, asked=None, **rest):
        return line('predict', film=0, asked=asked, model=model, epoch=epoch, answer=f'of {model}', **rest)

    lines = [{'op': 'golden', 'recipe': 'r', 'digest': 'w'}, {'op': 'golden', 'model': 'a', 'film': 0, 'answer': 'of a'},
             line('activate', key='k1', model='a', epoch=1), prediction('a', 1),
             line('submit', key='j1', recipe='r', job='1'), line('submit', key='j2', recipe='r', job='2'),
             line('activate', key='k2', model='b', epoch=0, outcome='unknown', completed=None), prediction('b', 2),
             line('activate', key='k2', model='b', epoch=2), prediction('b', 2, server=1), prediction('b', 2), prediction('b', 2),
             line('submit', key='j3', recipe='r', outcome='unknown', completed=None),
             line('list', jobs={'1': 'running', '2': 'queued', '3': 'queued'}, models={'a': None, 'b': None}),
             line('events', job='1', after=1, events=JOURNAL[1:3], ended=False),
             line('events', job='1', after=3, events=JOURNAL[3:], ended=True)]
    jobs, models = {'1': 'succeeded', '2': 'succeeded', '3': 'succeeded'}, {'a': None, 'b': None, 'm1': '1', 'm2': '2', 'm3': '3'}
    for server in (0, 1):
        there = {'final': True, 'server': server}
        lines += [line('list', jobs=dict(jobs), models=dict(models), **there), prediction('b', 2, **there),
                  prediction('a', None, asked='a', **there)]
        lines += [line('events', job=job, after=0, events=copy.deepcopy(JOURNAL), ended=True, **there) for job in '12']
        lines += [line('weights', model=model, digest='w', **there) for model in ('m1', 'm2', 'm3')]
    return lines


class Found(unittest.TestCase):
    """Each breaks one thing in the history above."""

    def setUp(self):
        self.lines = base()

    def pick(self, op, **wanted):
        """The last such line."""
        return [line for line in self.lines if line['op'] == op and all(line.get(name) == value for name, value in wanted.items())][-1]

    def final_events(self, job='1'):
        return [line for line in self.lines if line['op'] == 'events' and line['job'] == job and line['after'] == 0]

    def found(self, guarantee, says):
        broken, _ = history.judge(self.lines)
        self.assertTrue(any(one.guarantee == guarantee and says in one.what for one in broken), broken)

    def test_a_good_history_has_no_violation_and_puts_all_to_the_test(self):
        self.assertEqual(history.verdict(self.lines), [])

    def test_an_empty_history_is_no_good_one(self):
        self.assertEqual(len(history.verdict([])), 6)

    # ---- G1 ----

    def test_g1_a_key_with_two_jobs(self):
        self.pick('submit', key='j2')['key'] = 'j1'
        self.found('G1', 'the jobs of key j1')

    def test_g1_a_job_of_two_keys(self):
        self.pick('submit', key='j2')['job'] = '1'
        self.found('G1', "job 1 was given to ['j1', 'j2']")

    def test_g1_a_job_that_was_lost(self):
        self.pick('list', final=True)['jobs']['2'] = 'failed'
        self.found('G1', 'lost: job 2 is failed')

    def test_g1_a_job_that_nobody_asked_for(self):
        self.pick('list', final=True)['jobs']['4'] = 'succeeded'
        self.found('G1', 'doubled: 2 jobs that no key asked for, 1 keys')

    def test_g1_a_job_with_two_models(self):
        self.pick('list', final=True)['models']['m4'] = '1'
        self.found('G1', 'job 1 has 2 models')

    def test_g1_an_epoch_that_is_told_twice(self):
        for line in self.final_events():
            line['events'][4] = event(5, 'epoch', epoch=1)
        self.found('G1', 'told of epochs [1, 1]')

    def test_g1_an_end_that_is_told_twice(self):
        for line in self.final_events():
            line['events'].append(event(7, 'state', state='succeeded'))
        self.found('G1', 'ended 2 times')

    def test_g1_something_behind_the_end(self):
        for line in self.final_events():
            line['events'].append(event(7, 'phase', phase='saving'))
        self.found('G1', 'something follows its end')

    def test_g1_a_job_that_never_began(self):
        for line in self.final_events():
            line['events'][:] = [event(1, 'state', state='queued'), event(6, 'state', state='succeeded')]
        self.found('G1', 'began so')

    # ---- G2 ----

    def test_g2_an_epoch_that_does_not_grow(self):
        self.pick('activate', key='k2', outcome='ok')['epoch'] = 1
        self.found('G2', 'has epoch 1, asked for after the reply with epoch 1')

    def test_g2_a_key_with_two_epochs(self):
        self.lines.append(dict(self.pick('activate', key='k1'), epoch=3))
        self.found('G2', 'the epochs of key k1: 1 and 3')

    def test_g2_an_epoch_of_two_keys(self):
        self.lines.append(dict(self.pick('activate', key='k1'), key='k0'))
        self.found('G2', 'the keys of epoch 1')

    def test_g2_an_epoch_with_two_models(self):
        self.pick('predict', epoch=1)['model'] = 'b'
        self.found('G2', 'the models of epoch 1')

    def test_g2_a_server_that_goes_back(self):
        self.pick('predict', server=0, final=True, asked=None)['epoch'] = 1
        self.found('G2', 'server 0 answered by epoch 1 after 2')

    def test_g2_two_activations_at_once_may_come_in_either_order(self):
        first, second = self.pick('activate', key='k1'), self.pick('activate', key='k2', outcome='ok')
        self.lines.append(dict(second, key='k3', epoch=4, model='a'))
        self.lines.append(dict(second, key='k4', epoch=3, model='b'))
        broken, _ = history.judge(self.lines)
        self.assertEqual([one for one in broken if one.guarantee == 'G2'], [])
        self.assertLess(first['completed'], second['invoked'])

    # ---- G3 ----

    def test_g3_an_old_answer_after_the_reply(self):
        self.pick('predict', server=1, asked=None)['epoch'] = 1
        self.found('G3', 'server 1 answered by epoch 1')

    def test_g3_an_old_answer_that_was_asked_for_before_the_reply_is_right(self):
        late = dict(self.pick('predict', epoch=1), server=1, completed=1000)
        self.lines.append(late)
        self.assertEqual(history.verdict(self.lines), [])
        late['invoked'] = self.pick('activate', key='k2', outcome='ok')['completed'] + 0.5
        self.found('G3', 'server 1 answered by epoch 1')

    # ---- G4 ----

    def test_g4_a_job_that_a_later_list_lacks(self):
        del self.pick('list', final=None)['jobs']['2']
        self.found('G4', 'job 2 was acknowledged')

    def test_g4_an_epoch_that_is_undone(self):
        for line in self.lines:
            if line['op'] == 'predict' and line.get('final') and line['asked'] is None:
                line['epoch'] = 1
        self.found('G4', 'epoch 2 was acknowledged')

    # ---- G5 ----

    def test_g5_other_weights(self):
        for line in self.lines:
            if line['op'] == 'weights' and line['model'] == 'm2':
                line['digest'] = 'v'
        self.found('G5', 'job 2 made other weights of r')

    # ---- G6 ----

    def test_g6_two_lists(self):
        del self.pick('list', final=True)['jobs']['3']
        self.found('G6', 'two servers list other jobs')

    def test_g6_events_that_one_server_does_not_tell(self):
        del self.final_events()[0]['events'][2]
        self.found('G6', 'two servers tell other events of job 1')

    def test_g6_a_reader_who_missed_an_event(self):
        del self.pick('events', after=3)['events'][0]
        self.found('G6', 'a reader of job 1 from 3')

    def test_g6_a_reader_who_had_an_event_twice(self):
        told = self.pick('events', after=1)['events']
        told.append(told[-1])
        self.found('G6', 'a reader of job 1 from 1')

    def test_g6_a_reader_who_was_told_too_early_that_it_is_over(self):
        self.pick('events', after=1)['ended'] = True
        self.found('G6', 'told that it is over')

    def test_g6_weights_that_differ_by_server(self):
        self.pick('weights', model='m3', server=1)['digest'] = 'v'
        self.found('G6', 'the weights of m3')

    def test_g6_an_answer_that_is_not_the_models(self):
        self.pick('predict', epoch=1)['answer'] = 'of b'
        self.found('G6', 'the answers of model and film')

    def test_g6_a_model_that_was_not_asked_for(self):
        self.pick('predict', asked='a').update(model='b', answer='of b')
        self.found('G6', 'asked for model a, answered by b')
