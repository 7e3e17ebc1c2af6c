"""ONNX Runtime, as npm has it: asked by arrays, as Python's `onnxruntime` is."""
import base64
import json
import os
import subprocess

TESTS = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def missing():
    """Why it cannot be asked; None: it can."""
    done = subprocess.run([os.path.join(TESTS, 'npm-install'), 'onnx'], stdout=subprocess.PIPE, text=True, check=False)
    return done.stdout.strip() or 'npm failed' if done.returncode else None


def ask(questions):
    """(path of a model, {input: array}) each -> {output: array} each; float32 all of them."""
    import numpy

    lines = [json.dumps({'model': os.path.abspath(model), 'feeds': {
        name: {'dims': value.shape, 'data': base64.b64encode(numpy.ascontiguousarray(value, numpy.float32).tobytes()).decode()}
        for name, value in feeds.items()}}) for model, feeds in questions]
    done = subprocess.run(['node', os.path.join(TESTS, 'onnx', 'answer.mjs')], input='\n'.join(lines) + '\n', capture_output=True,
                          text=True, check=False, cwd=os.path.join(TESTS, 'onnx'))
    replies = [json.loads(line) for line in done.stdout.splitlines()]
    if done.returncode or len(replies) != len(lines):
        raise AssertionError(f'ONNX Runtime: {done.stderr[-2000:]}')
    for (model, _), reply in zip(questions, replies):
        if 'error' in reply:
            raise AssertionError(f'ONNX Runtime, {os.path.basename(model)}: {reply["error"]}')
    return [{name: numpy.frombuffer(base64.b64decode(one['data']), numpy.float32).reshape(one['dims'])
             for name, one in reply.items()} for reply in replies]
