"""As much of JSON Schema 2020-12 as openapi.yaml uses. A keyword that is not known here is an error, so that none is
overlooked."""
import re

ANNOTATIONS = {'description', 'default', 'example', 'examples', 'format', 'contentMediaType', 'title', 'summary'}
TYPES = {
    'object': lambda v: isinstance(v, dict), 'array': lambda v: isinstance(v, list), 'string': lambda v: isinstance(v, str),
    'boolean': lambda v: isinstance(v, bool), 'null': lambda v: v is None,
    'number': lambda v: isinstance(v, (int, float)) and not isinstance(v, bool),
    'integer': lambda v: isinstance(v, int) and not isinstance(v, bool) or isinstance(v, float) and v.is_integer(),
}


class Schemas:
    def __init__(self, document):
        self.document = document

    def resolve(self, reference):
        """What "#/components/…" stands for."""
        at = self.document
        for part in reference.removeprefix('#/').split('/'):
            at = at[part.replace('~1', '/').replace('~0', '~')]
        return at

    def follow(self, value):
        """The value itself, or what it refers to."""
        return self.resolve(value['$ref']) if '$ref' in value else value

    def names(self, schema):
        """All properties that a schema and what it is made of speak of."""
        found = set(schema.get('properties', {}))
        for part in schema.get('allOf', []):
            found |= self.names(part)
        if '$ref' in schema:
            found |= self.names(self.resolve(schema['$ref']))
        return found

    def errors(self, value, schema, at='$'):
        """The faults of a value, as sentences."""
        found = []

        def check(ok, what):
            if not ok:
                found.append(f'{at}: {what}: {str(value)[:80]}')

        number, text = TYPES['number'](value), isinstance(value, str)
        for key, rule in schema.items():
            if key == '$ref':
                found += self.errors(value, self.resolve(rule), at)
            elif key == 'allOf':
                for part in rule:
                    found += self.errors(value, part, at)
            elif key == 'oneOf':
                check(sum(not self.errors(value, part, at) for part in rule) == 1, 'is not exactly one of oneOf')
            elif key == 'type':
                check(any(TYPES[t](value) for t in ([rule] if isinstance(rule, str) else rule)), f'is no {rule}')
            elif key == 'enum':
                check(any(type(v) is type(value) and v == value for v in rule), f'is none of {rule}')
            elif key == 'const':
                check(value == rule, f'is not {rule}')
            elif key == 'minimum':
                check(not number or value >= rule, f'is below {rule}')
            elif key == 'exclusiveMinimum':
                check(not number or value > rule, f'is not above {rule}')
            elif key == 'maximum':
                check(not number or value <= rule, f'is above {rule}')
            elif key == 'multipleOf':
                check(not number or value % rule == 0, f'is no multiple of {rule}')
            elif key == 'minLength':
                check(not text or len(value) >= rule, f'is shorter than {rule}')
            elif key == 'maxLength':
                check(not text or len(value) <= rule, f'is longer than {rule}')
            elif key == 'pattern':
                check(not text or re.search(rule, value), f'does not match {rule}')
            elif key in ANNOTATIONS:
                pass
            elif key in ('required', 'properties', 'additionalProperties', 'unevaluatedProperties', 'propertyNames',
                         'minProperties', 'maxProperties'):
                if isinstance(value, dict):
                    found += self.object_errors(value, schema, key, rule, at)
            elif key in ('items', 'minItems', 'maxItems', 'uniqueItems'):
                if isinstance(value, list):
                    if key == 'items':
                        for i, item in enumerate(value):
                            found += self.errors(item, rule, f'{at}[{i}]')
                    check(key != 'minItems' or len(value) >= rule, f'has fewer than {rule} items')
                    check(key != 'maxItems' or len(value) <= rule, f'has more than {rule} items')
                    check(key != 'uniqueItems' or not rule or all(v not in value[:i] for i, v in enumerate(value)),
                          'holds an item twice')
            else:
                raise ValueError(f'{at}: the keyword {key!r} is not known to tests/http/support/schema.py')
        return found

    def object_errors(self, value, schema, key, rule, at):
        found = []
        if key == 'required':
            found += [f'{at}: {name} is missing' for name in rule if name not in value]
        elif key == 'properties':
            for name in rule:
                if name in value:
                    found += self.errors(value[name], rule[name], f'{at}.{name}')
        elif key == 'additionalProperties':
            for name in set(value) - set(schema.get('properties', {})):
                if rule is False:
                    found.append(f'{at}: {name} is not described')
                elif rule is not True:
                    found += self.errors(value[name], rule, f'{at}.{name}')
        elif key == 'unevaluatedProperties' and rule is False:
            found += [f'{at}: {name} is not described' for name in set(value) - self.names(schema)]
        elif key == 'propertyNames':
            for name in value:
                found += self.errors(name, rule, f'{at}, the name {name}')
        elif key == 'minProperties' and len(value) < rule:
            found.append(f'{at}: has fewer than {rule} members')
        elif key == 'maxProperties' and len(value) > rule:
            found.append(f'{at}: has more than {rule} members')
        return found
