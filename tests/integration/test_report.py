#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""`preprof report`, help and version as a user meets them: output, files, exit statuses, the JSON Schema.

  test_report.py MAKE_RECORDING
"""
import copy
import json
import os
import pathlib
import re
import sqlite3
import stat
import subprocess
import sys
import tempfile
import unittest

import jsonschema

BUILD = pathlib.Path(os.environ['PREPROF_BUILD'])
SOURCE = pathlib.Path(os.environ['PREPROF_SOURCE'])
PREPROF = str(BUILD / 'preprof')
MAKE_RECORDING = sys.argv.pop(1)


def preprof(*arguments, **options):
    options.setdefault('stdout', subprocess.PIPE)
    return subprocess.run([PREPROF, *map(str, arguments)], stderr=subprocess.PIPE, text=True,
                          stdin=subprocess.DEVNULL, timeout=60, check=False, **options)


class Case(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.path = pathlib.Path(cls.folder.name)
        for kind in 'small', 'empty', 'large':
            subprocess.run([MAKE_RECORDING, kind, cls.path / f'{kind}.pprf'], check=True)
        cls.small, cls.empty, cls.large = (cls.path / f'{kind}.pprf' for kind in ('small', 'empty', 'large'))

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    def fails(self, result, status, words):
        self.assertEqual(result.returncode, status, result.stderr)
        self.assertIn(words, result.stderr)
        self.assertEqual(result.stderr.count('\n'), 1, result.stderr)
        self.assertTrue(result.stderr.startswith('preprof: '))


class Schema(Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.schema = json.loads((SOURCE / 'docs/report.schema.json').read_text())
        cls.validator = jsonschema.Draft202012Validator(cls.schema)

    def faults(self, document):
        return [f'{error.json_path}: {error.message}' for error in self.validator.iter_errors(document)]

    def test_schema_is_one(self):
        jsonschema.Draft202012Validator.check_schema(self.schema)

    def test_every_report_is_valid(self):
        for path, top in (self.small, '0'), (self.small, '1'), (self.empty, '0'), (self.large, '30'):
            result = preprof('report', '-f', 'json', '--top', top, path)
            self.assertEqual(self.faults(json.loads(result.stdout)), [], path)

    def test_golden_reports_are_valid(self):
        paths = list((SOURCE / 'tests/golden/report').glob('*.json'))
        self.assertGreaterEqual(len(paths), 3)
        for path in paths:
            self.assertEqual(self.faults(json.loads(path.read_text())), [], path)

    def test_wrong_documents_are_not(self):
        good = json.loads(preprof('report', '-f', 'json', self.small).stdout)

        def damage(change):
            document = copy.deepcopy(good)
            change(document)
            self.assertNotEqual(self.faults(document), [], change)

        damage(lambda d: d.pop('heap'))
        damage(lambda d: d.update(surprise=1))
        damage(lambda d: d.update(schema_version=2))
        damage(lambda d: d['heap'].update(live_bytes=1.5))
        damage(lambda d: d['heap'].update(live_bytes=-1))
        damage(lambda d: d['heap'].update(live_bytes='1'))
        damage(lambda d: d['cpu']['functions'][0].update(self_percent=101))
        damage(lambda d: d['cpu']['functions'][0].update(self_percent=None))
        damage(lambda d: d['heap']['sites'][0]['stack'][0].pop('module'))
        damage(lambda d: d['findings'][0].update(severity='urgent'))
        damage(lambda d: d['target'].update(start_time='yesterday'))
        damage(lambda d: d['processes'].clear())
        damage(lambda d: d['leaks']['records'][0].update({'class': 'unknown'}))

    def test_every_property_is_described(self):
        def walk(node, path):
            for name, property_ in node.get('properties', {}).items():
                self.assertTrue(property_.get('description'), f'{path}.{name}')
            for key, child in node.items():
                if isinstance(child, dict):
                    walk(child, f'{path}.{key}')
                for index, item in enumerate(child if isinstance(child, list) else []):
                    if isinstance(item, dict):
                        walk(item, f'{path}.{key}[{index}]')

        walk(self.schema, '')


class Figures(Case):
    def test_json_has_the_recordings_figures(self):
        report = json.loads(preprof('report', '-f', 'json', '--top', '0', self.small).stdout)
        self.assertEqual(report['heap']['allocation_count'], 103010)
        self.assertEqual(report['heap']['peak_process'], 1)
        self.assertEqual(report['leaks']['unfreed'], {'blocks': 51000, 'bytes': 33457280})
        self.assertEqual(sum(record['bytes'] for record in report['leaks']['records']), 33457280)
        self.assertEqual(report['processes'][1]['exit'], {'code': None, 'signal': 11})
        self.assertEqual(report['target']['command'][:3], ['./simulation', '--agents', '1000'])
        self.assertEqual(report['coverage']['skipped']['checked'], 1 << 40)
        self.assertIsNone(report['sql'])
        frame = report['heap']['sites'][-1]['stack']
        self.assertEqual(max(site['allocation_count'] for site in report['heap']['sites']), (1 << 64) - 2)
        self.assertIsInstance(frame, list)

    def test_top_limits_each_metric(self):
        every = json.loads(preprof('report', '-f', 'json', '--top', '0', self.large).stdout)['heap']['sites']
        some = json.loads(preprof('report', '-f', 'json', '--top', '5', self.large).stdout)['heap']['sites']
        self.assertEqual(len(every), 8300)
        self.assertLess(len(some), 50)
        for metric in 'allocated_bytes', 'allocation_count', 'live_bytes', 'peak_bytes':
            best = sorted((site[metric] for site in every), reverse=True)[:5]
            self.assertEqual(sorted((site[metric] for site in some), reverse=True)[:5], best)

    def test_views_tell_what_the_report_tells(self):
        report = json.loads(preprof('report', '-f', 'json', '--top', '0', self.small).stdout)
        with sqlite3.connect(f'file:{self.small}?mode=ro', uri=True) as db:
            functions = {name: (own, total) for name, own, total in
                         db.execute('SELECT function, self_ns, total_ns FROM v_functions_cpu')}
            for entry in report['cpu']['functions']:
                if entry['function']:
                    self.assertEqual(functions[entry['function']], (entry['self_ns'], entry['total_ns']))
            sites = list(db.execute('SELECT function, live_bytes FROM v_heap_sites WHERE live_bytes > 0 '
                                    'ORDER BY live_bytes DESC'))
            names = [(record['stack'][0]['function'], record['bytes']) for record in report['leaks']['records']]
            self.assertEqual([size for _, size in sites], [size for _, size in names])
            self.assertIn('_M_realloc_insert', sites[0][0])
            stacks = dict(db.execute('SELECT stack, frames FROM v_stacks'))
            self.assertIn('Agent::move(Vector const&) < Simulation::step(double) < main < _start', stacks.values())
            self.assertEqual(db.execute('SELECT sum(allocation_count) FROM v_processes').fetchone()[0], 103010)
            positions = db.execute('SELECT function FROM v_stack_frames WHERE stack = 6 ORDER BY position').fetchall()
            self.assertEqual(positions[0][0], 'operator new(unsigned long)')
            self.assertEqual(len(positions), 6)

    def test_documented_queries_work(self):
        text = (SOURCE / 'docs/recording.md').read_text()
        queries = re.findall(r'```sql\n(.*?)```', text, re.S)
        self.assertGreaterEqual(len(queries), 5)
        with sqlite3.connect(f'file:{self.small}?mode=ro', uri=True) as db:
            db.text_factory = lambda text: text.decode(errors='replace')
            for query in queries:
                self.assertTrue(db.execute(query).fetchall(), query)
            views = {name for name, in db.execute("SELECT name FROM sqlite_schema WHERE type = 'view' AND name LIKE 'v!_%' ESCAPE '!'")}
            self.assertGreaterEqual(len(views), 12)
            for view in views:
                section = re.search(rf'^\| `{view}` \|(.*)$', text, re.M)
                self.assertTrue(section, f'docs/recording.md says nothing of {view}')
                for column in db.execute(f'SELECT * FROM {view} LIMIT 1').description:
                    self.assertIn(f'`{column[0]}`', section.group(1), f'{view}.{column[0]}')
            self.assertEqual(db.execute('PRAGMA application_id').fetchone()[0], 0x50505246)
            self.assertEqual(db.execute('PRAGMA integrity_check').fetchone()[0], 'ok')


class CommandLine(Case):
    def test_text_is_the_default_and_plain_in_a_pipe(self):
        result = preprof('report', self.small)
        self.assertEqual(result.returncode, 0)
        self.assertEqual(result.stderr, '')
        self.assertIn('Agent::move(Vector const&)', result.stdout)
        self.assertNotIn('\033', result.stdout)

    def test_an_empty_recording_is_no_success(self):
        result = preprof('report', self.empty)
        self.fails(result, 1, 'the recording is empty')
        self.assertIn('no allocation was seen', result.stdout)

    def test_output_is_written_whole(self):
        target = self.path / 'report.txt'
        target.write_text('old')
        target.chmod(0o640)
        self.assertEqual(preprof('report', '-o', target, self.small).stdout, '')
        self.assertIn('CPU time', target.read_text())
        self.assertEqual(stat.S_IMODE(target.stat().st_mode), 0o640)
        fresh = self.path / 'fresh.txt'
        subprocess.run(['sh', '-c', 'umask 022; exec "$@"', 'sh', PREPROF, 'report', f'--output={fresh}', self.small], check=True)
        self.assertEqual(stat.S_IMODE(fresh.stat().st_mode), 0o644)
        before = sorted(os.listdir(self.path))
        self.fails(preprof('report', '-o', self.path / 'missing/x', self.small), 1, 'No such file or directory')
        self.fails(preprof('report', '-o', self.path, self.small), 1, 'Is a directory')
        self.assertEqual(sorted(os.listdir(self.path)), before)

    def test_a_full_device_is_said(self):
        self.fails(preprof('report', '-o', '/dev/full', self.small), 1, 'No space left on device')
        with open('/dev/full', 'w') as full:
            for command in (('report', self.small), ('report', '-f', 'json', self.large), ('help',), ('--version',),
                            ('report', '--help')):
                self.fails(preprof(*command, stdout=full), 1, 'No space left on device')

    def test_a_closed_pipe_is_quiet(self):
        for ignored in '', "trap '' PIPE; ":
            result = subprocess.run(['bash', '-c', f'{ignored}"$0" report -f json --top 0 "$1" | head -n 1', PREPROF, self.large],
                                    capture_output=True, text=True, check=False)
            self.assertEqual(result.stdout, '{\n')
            self.assertEqual(result.stderr, '')

    def test_unreadable_recordings(self):
        self.fails(preprof('report', self.path / 'none.pprf'), 1, 'No such file or directory')
        other = self.path / 'other'
        other.write_text('hello')
        self.fails(preprof('report', other), 1, 'not a recording of preprof')
        self.fails(preprof('report', '/dev/null'), 1, 'not an ordinary file')

    def test_usage_errors_are_one_line(self):
        self.fails(preprof('report'), 2, 'no RECORDING given')
        self.fails(preprof('report', '--colour', self.small), 2, 'no option --colour')
        self.fails(preprof('report', '-x', self.small), 2, 'no option -x')
        self.fails(preprof('report', '-f', 'xml', self.small), 2, 'there are json, text')
        self.fails(preprof('report', self.small, '-f'), 2, 'needs a value')
        self.fails(preprof('report', '--top=-1', self.small), 2, 'a number, 0 for all')
        self.fails(preprof('report', self.small, self.small), 2, 'one argument too many')
        self.fails(preprof('help', 'nothing'), 2, 'no command "nothing"')

    def test_options_after_the_operand(self):
        self.assertEqual(preprof('report', self.small, '-fjson').stdout, preprof('report', '--format=json', '--', self.small).stdout)

    def test_help_and_version(self):
        self.assertRegex(preprof('--version').stdout, r'^preprof \d+\.\d+\.\d+\n$')
        self.assertEqual(preprof('version').stdout, preprof('--version').stdout)
        overview = preprof('--help')
        self.assertEqual(overview.returncode, 0)
        for name in 'help', 'report', 'run', 'version':
            self.assertRegex(overview.stdout, rf'(?m)^  {name} ')
            text = preprof(name, '--help')
            self.assertEqual(text.returncode, 0)
            self.assertTrue(text.stdout.startswith('Usage: preprof '))
            self.assertEqual(preprof('help', name).stdout, text.stdout)
            self.assertLessEqual(max(map(len, text.stdout.splitlines())), 80)
        bare = preprof()
        self.assertEqual(bare.returncode, 2)
        self.assertIn('Usage:', bare.stderr)

    def test_colours_only_on_a_terminal(self):
        def in_terminal(**environment):
            variables = {**os.environ, 'TERM': 'xterm', **environment}
            variables = {name: value for name, value in variables.items() if value is not None}
            return subprocess.run(['script', '-qec', f'"{PREPROF}" report "{self.small}"', '/dev/null'], env=variables,
                                  stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, check=True).stdout

        self.assertIn('\033[1m', in_terminal(NO_COLOR=None))
        self.assertNotIn('\033', in_terminal(NO_COLOR='1'))
        self.assertNotIn('\033', in_terminal(NO_COLOR=None, TERM='dumb'))


if __name__ == '__main__':
    unittest.main()
