"""As much of a Kubernetes API server as `kubectl create` and `kubectl apply` speak to: objects are kept by their path, and nothing runs."""
import http.server
import json
import os
import re
import threading

from support import program

GROUPS = {'v1': {'Namespace': 'namespaces', 'Secret': 'secrets', 'Service': 'services', 'PersistentVolumeClaim': 'persistentvolumeclaims',
                 'ConfigMap': 'configmaps', 'ServiceAccount': 'serviceaccounts'},
          'apps/v1': {'Deployment': 'deployments'}, 'networking.k8s.io/v1': {'NetworkPolicy': 'networkpolicies', 'Ingress': 'ingresses'}}


def group_versions():
    named = [group.split('/') for group in GROUPS if '/' in group]
    return [{'name': name, 'versions': [{'groupVersion': f'{name}/{version}', 'version': version}],
             'preferredVersion': {'groupVersion': f'{name}/{version}', 'version': version}} for name, version in named]


def discovery():
    """The answers about the kinds there are, by path."""
    told = {'/api': {'kind': 'APIVersions', 'versions': ['v1']}, '/apis': {'kind': 'APIGroupList', 'apiVersion': 'v1', 'groups': group_versions()},
            '/version': {'major': '1', 'minor': '20', 'gitVersion': 'v1.20.0'}}
    for group, kinds in GROUPS.items():
        resources = [{'name': name, 'singularName': '', 'namespaced': kind != 'Namespace', 'kind': kind,
                      'verbs': ['create', 'get', 'list', 'patch', 'update']} for kind, name in kinds.items()]
        told[f'/apis/{group}' if '/' in group else f'/api/{group}'] = {'kind': 'APIResourceList', 'apiVersion': 'v1', 'groupVersion': group,
                                                                        'resources': resources}
    return told


def from_protobuf(body):
    """Kind and name of an object as kubectl's typed clients send it: runtime.Unknown, whose first two texts are its version and kind, around
    an object that begins with its metadata, which begins with its name."""
    version, kind, name = re.findall(rb'\n[\x01-\x3f]([a-zA-Z][a-zA-Z0-9./-]*)|\x12[\x01-\x3f]([A-Z][a-zA-Z]+)', body)[:3]
    return {'apiVersion': version[0].decode(), 'kind': kind[1].decode(), 'metadata': {'name': name[0].decode()}}


class Cluster:
    """`objects` has what was applied, by kind and name; `config` is a file for KUBECONFIG."""

    def __init__(self):
        self.objects = {}
        told, objects = discovery(), self.objects

        class Api(http.server.BaseHTTPRequestHandler):
            protocol_version = 'HTTP/1.1'

            def say(self, status, value):
                body = json.dumps(value).encode()
                self.send_response(status)
                self.send_header('Content-Type', 'application/json')
                self.send_header('Content-Length', str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def do_GET(self):
                path = self.path.split('?')[0]
                found = told.get(path) or next((one for one in objects.values() if one['path'] == path), {}).get('object')
                self.say(200 if found else 404, found or {'kind': 'Status', 'apiVersion': 'v1', 'status': 'Failure', 'reason': 'NotFound', 'code': 404})

            def do_POST(self):
                body = self.rfile.read(int(self.headers['Content-Length']))
                made = from_protobuf(body) if body.startswith(b'k8s\0') else json.loads(body)
                name = made['metadata']['name']
                objects[made['kind'], name] = {'path': f'{self.path.split("?")[0]}/{name}', 'object': made}
                self.say(201, made)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Api)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.config = os.path.join(program.new_folder('cluster'), 'config')
        with open(self.config, 'w', encoding='ascii') as file:
            json.dump({'apiVersion': 'v1', 'kind': 'Config', 'current-context': 'test', 'users': [{'name': 'test', 'user': {}}],
                       'clusters': [{'name': 'test', 'cluster': {'server': f'http://127.0.0.1:{self.server.server_port}'}}],
                       'contexts': [{'name': 'test', 'context': {'cluster': 'test', 'user': 'test'}}]}, file)

    def stop(self):
        self.server.shutdown()
        self.server.server_close()
