"""GradientMonitor in train steps as people write them, against a tf.GradientTape of our own.

Each program says in `updates` which optimizer lowers which loss of which variables, in order. Its
train step does that within `fit`; here it is done once more, eagerly, and the norms are compared.
"""

import keras
import numpy as np
import pytest
from keras import layers, ops

from callbacks.gradient_monitor import GradientMonitor

tf = pytest.importorskip("tensorflow")

BATCH, STEPS = 8, 4
RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(BATCH * STEPS, 6)).astype("float32")
Y = RANDOM.normal(size=(BATCH * STEPS, 1)).astype("float32")
TOKENS = RANDOM.integers(0, 7, (BATCH * STEPS, 5))


def sgd():
    return keras.optimizers.SGD(0.05)


def net(name, *sizes):
    parts = [layers.Dense(size, "tanh", name=f"{name}_{i}") for i, size in enumerate(sizes)]
    return keras.Sequential([keras.Input((6,)), *parts], name=name)


def square(difference):
    return ops.mean(ops.square(difference))


class Program(keras.Model):
    """A model that lowers the losses of `updates`, one after the other, in each step."""

    data = (X, Y)

    def __init__(self):
        super().__init__(name="program")
        keras.utils.set_random_seed(3)
        self.seeds = keras.random.SeedGenerator(5)
        self.make()
        self.compile(optimizer=sgd())

    def call(self, x):
        return x

    def updates(self, x, y):
        """Yield optimizer, variables and a function that returns the loss."""
        raise NotImplementedError

    def train_step(self, data):
        x, y = data
        for optimizer, variables, loss in self.updates(x, y):
            with tf.GradientTape() as tape:
                value = loss()
            optimizer.apply_gradients(zip(tape.gradient(value, variables), variables, strict=True))
        return {"loss": value}

    def by_hand(self, x, y, step):
        """Make one step; return pairs (variable, gradient) for what was updated."""
        pairs = []
        for optimizer, variables, loss in self.updates(x, y):
            with tf.GradientTape() as tape:
                value = loss()
            grads = tape.gradient(value, variables)
            optimizer.apply(grads, variables)
            pairs += zip(variables, grads, strict=True)
        return pairs


class VAE(Program):
    def make(self):
        self.encoder, self.decoder = net("encoder", 8, 4), net("decoder", 6)

    def updates(self, x, y):
        def loss():
            mean, log_variance = ops.split(self.encoder(x), 2, axis=1)
            noise = keras.random.normal(ops.shape(mean), seed=self.seeds)
            code = mean + ops.exp(log_variance / 2) * noise
            rebuilt = self.decoder(ops.concatenate([code, code, code], axis=1))
            divergence = -0.5 * ops.mean(1 + log_variance - mean**2 - ops.exp(log_variance))
            return square(rebuilt - x) + divergence

        yield self.optimizer, self.trainable_variables, loss


class GAN(Program):
    """Its optimizers are its own; that of `compile` is not used."""

    def make(self):
        self.generator, self.discriminator = net("generator", 8, 6), net("discriminator", 5, 1)
        self.d_optimizer, self.g_optimizer = sgd(), keras.optimizers.Adam(0.01)

    def updates(self, x, y):
        noise = keras.random.normal(ops.shape(x), seed=self.seeds)
        fake = self.generator(noise)
        yield (
            self.d_optimizer,
            self.discriminator.trainable_variables,
            lambda: square(self.discriminator(x) - 1) + square(self.discriminator(fake)),
        )
        yield (
            self.g_optimizer,
            self.generator.trainable_variables,
            lambda: square(self.discriminator(self.generator(noise)) - 1),
        )


class DiscriminatorsOptimizerIsTheModels(GAN):
    def make(self):
        super().make()
        del self.d_optimizer

    def updates(self, x, y):
        self.d_optimizer = self.optimizer
        yield from super().updates(x, y)


class CycleGAN(Program):
    """Four optimizers, in a list and a dict."""

    def make(self):
        self.there, self.back = net("there", 6), net("back", 6)
        self.judge_x, self.judge_y = net("judge_x", 3, 1), net("judge_y", 3, 1)
        self.of_generators, self.of_judges = [sgd(), sgd()], {"x": sgd(), "y": sgd()}

    def updates(self, x, y):
        other = x[::-1]

        def cycle():
            return square(self.back(self.there(x)) - x) + square(self.judge_y(self.there(x)) - 1)

        def cycle_back():
            return square(self.there(self.back(other)) - other)

        yield self.of_generators[0], self.there.trainable_variables, cycle
        yield self.of_generators[1], self.back.trainable_variables, cycle_back
        for name, judge, real, fake in (
            ("x", self.judge_x, x, self.back(other)),
            ("y", self.judge_y, other, self.there(x)),
        ):
            yield (
                self.of_judges[name],
                judge.trainable_variables,
                lambda judge=judge, real=real, fake=fake: (
                    square(judge(real) - 1) + square(judge(fake))
                ),
            )


class Distillation(Program):
    """The teacher could be trained, but no optimizer is given its variables."""

    def make(self):
        self.student, self.teacher = net("student", 5, 1), net("teacher", 8, 1)

    def updates(self, x, y):
        yield (
            self.optimizer,
            self.student.trainable_variables,
            lambda: square(self.student(x) - y) + square(self.student(x) - self.teacher(x)),
        )


class Contrastive(Program):
    """A weight of the model itself (the temperature) beside its layers."""

    def make(self):
        self.encoder = net("encoder", 8, 4)
        self.temperature = self.add_weight(shape=(), initializer="ones", name="temperature")

    def updates(self, x, y):
        def loss():
            noise = keras.random.normal(ops.shape(x), stddev=0.1, seed=self.seeds)
            one, two = self.encoder(x), self.encoder(x + noise)
            similar = ops.matmul(one, ops.transpose(two)) / self.temperature
            numbers = ops.arange(BATCH)
            return ops.mean(
                keras.losses.sparse_categorical_crossentropy(numbers, similar, from_logits=True)
            )

        yield self.optimizer, self.trainable_variables, loss


class MaskedAutoencoder(Program):
    def make(self):
        self.encoder, self.decoder = net("encoder", 6), net("decoder", 6)

    def updates(self, x, y):
        keep = ops.cast(keras.random.uniform(ops.shape(x), seed=self.seeds) > 0.5, "float32")
        yield (
            self.optimizer,
            self.trainable_variables,
            lambda: square((1 - keep) * (self.decoder(self.encoder(x * keep)) - x)),
        )


class SequenceToSequence(Program):
    data = (TOKENS, TOKENS[:, ::-1].copy())

    def make(self):
        self.embed, self.read = layers.Embedding(7, 3, name="embed"), layers.GRU(4, name="read")
        self.write = layers.GRU(4, return_sequences=True, name="write")
        self.out = layers.Dense(7, name="out")
        self.logits(TOKENS, TOKENS)  # the step asks for its variables before it calls them

    def logits(self, x, y):
        state = self.read(self.embed(x))
        return self.out(self.write(self.embed(y), initial_state=state))

    def updates(self, x, y):
        def loss():
            logits = self.logits(x, y)
            return ops.mean(
                keras.losses.sparse_categorical_crossentropy(y, logits, from_logits=True)
            )

        yield self.optimizer, self.trainable_variables, loss


class Endpoint(layers.Layer):
    """A layer that is given the targets and adds the loss."""

    def __init__(self):
        super().__init__(name="endpoint")
        self.dense = layers.Dense(1, name="dense")

    def call(self, inputs):
        x, y = inputs
        prediction = self.dense(x)
        self.add_loss(square(prediction - y))
        return prediction


class EndpointModel(Program):
    def make(self):
        self.body, self.endpoint = net("body", 5), Endpoint()
        self.endpoint([self.body(X), Y])

    def updates(self, x, y):
        def loss():
            self.endpoint([self.body(x), y])
            return self.endpoint.losses[0]

        yield self.optimizer, self.trainable_variables, loss


class Triplet(Program):
    def make(self):
        self.embedding = net("embedding", 8, 4)

    def updates(self, x, y):
        def loss():
            anchor, positive, negative = (
                self.embedding(rows) for rows in (x, x * 1.1, ops.flip(x, axis=0))
            )
            near, far = square(anchor - positive), square(anchor - negative)
            return ops.relu(near - far + 5.0)

        yield self.optimizer, self.trainable_variables, loss


class Accumulation(Program):
    """Sums up the gradients by itself and applies them in every second step."""

    def make(self):
        self.body = net("body", 5, 1)
        self.sums = [keras.Variable(ops.zeros(v.shape)) for v in self.body.trainable_variables]
        self.count = keras.Variable(0, dtype="int32", trainable=False)
        for variable in self.sums:
            variable.trainable = False

    def gradients(self, x, y):
        variables = self.body.trainable_variables
        with tf.GradientTape() as tape:
            loss = square(self.body(x) - y)
        for total, grad in zip(self.sums, tape.gradient(loss, variables), strict=True):
            total.assign_add(grad)
        self.count.assign_add(1)
        return loss

    def flush(self):
        self.optimizer.apply([v.value + 0 for v in self.sums], self.body.trainable_variables)
        for total in self.sums:
            total.assign(ops.zeros(total.shape))
        return 0

    def train_step(self, data):
        loss = self.gradients(*data)
        if not self.optimizer.built:
            self.optimizer.build(self.body.trainable_variables)
        tf.cond(self.count.value % 2 == 0, self.flush, lambda: 0)
        return {"loss": loss}

    def by_hand(self, x, y, step):
        self.gradients(x, y)
        if step % 2 == 0:
            return []
        grads = [v.numpy() for v in self.sums]
        self.flush()
        return list(zip(self.body.trainable_variables, grads, strict=True))


class Alternating(GAN):
    """The one network in even steps, the other in odd ones, by one optimizer each."""

    def make(self):
        super().make()
        self.count = keras.Variable(0, dtype="int32", trainable=False)

    def parts(self, x, y):
        return [
            (self.d_optimizer, self.discriminator, lambda: square(self.discriminator(x) - 1)),
            (self.g_optimizer, self.generator, lambda: square(self.generator(x) - x)),
        ]

    def train_step(self, data):
        def update(optimizer, network, loss):
            with tf.GradientTape() as tape:
                value = loss()
            variables = network.trainable_variables
            optimizer.apply(tape.gradient(value, variables), variables)
            return value

        parts = self.parts(*data)
        for optimizer, network, _ in parts:
            if not optimizer.built:
                optimizer.build(network.trainable_variables)
        even = self.count.value % 2 == 0
        self.count.assign_add(1)
        loss = tf.cond(even, lambda: update(*parts[0]), lambda: update(*parts[1]))
        return {"loss": loss}

    def by_hand(self, x, y, step):
        optimizer, network, loss = self.parts(x, y)[step % 2]
        with tf.GradientTape() as tape:
            value = loss()
        variables = network.trainable_variables
        grads = tape.gradient(value, variables)
        optimizer.apply(grads, variables)
        return list(zip(variables, grads, strict=True))


class OneOptimizerTwice(GAN):
    """One optimizer, built for all variables, is applied to each half of them in every step."""

    def updates(self, x, y):
        if not self.optimizer.built:
            self.optimizer.build(self.trainable_variables)
        for _, variables, loss in super().updates(x, y):
            yield self.optimizer, variables, loss


class Decorated(GAN):
    """The step is a tf.function, and so is what it calls."""

    @tf.function
    def lower(self, which, x, noise):
        optimizer, network = (
            (self.d_optimizer, self.discriminator)
            if which == "d"
            else (self.g_optimizer, self.generator)
        )
        with tf.GradientTape() as tape:
            fake = self.discriminator(self.generator(noise))
            loss = square(fake - 1)
            if which == "d":
                loss = square(self.discriminator(x) - 1) + square(fake)
        variables = network.trainable_variables
        optimizer.apply(tape.gradient(loss, variables), variables)
        return loss

    @tf.function
    def train_step(self, data):
        x, _ = data
        for optimizer, network in (
            (self.d_optimizer, self.discriminator),
            (self.g_optimizer, self.generator),
        ):
            if not optimizer.built:
                optimizer.build(network.trainable_variables)
        noise = keras.random.normal(ops.shape(x), seed=self.seeds)
        self.lower("d", x, noise)
        return {"loss": self.lower("g", x, noise)}


class SharedLayers(Program):
    """Two models over one body; each has its optimizer, and the body is updated twice a step."""

    def make(self):
        inputs = keras.Input((6,))
        self.body = layers.Dense(5, "tanh", name="body")
        features = self.body(inputs)
        self.one = keras.Model(inputs, layers.Dense(1, name="head_one")(features), name="one")
        self.two = keras.Model(inputs, layers.Dense(6, name="head_two")(features), name="two")
        self.optimizers = [sgd(), sgd()]

    def updates(self, x, y):
        one, two = self.one.trainable_variables, self.two.trainable_variables
        yield self.optimizers[0], one, lambda: square(self.one(x) - y)
        yield self.optimizers[1], two, lambda: square(self.two(x) - x)


PROGRAMS = [VAE, GAN, DiscriminatorsOptimizerIsTheModels, CycleGAN, Distillation, Contrastive]
PROGRAMS += [MaskedAutoencoder, SequenceToSequence, EndpointModel, Triplet, Accumulation]
PROGRAMS += [Alternating, OneOptimizerTwice, Decorated, SharedLayers]


def fit(model, *callbacks):
    model.fit(*model.data, batch_size=BATCH, shuffle=False, verbose=0, callbacks=list(callbacks))


def expected_norms(model):
    """Return a dict from a variable's path to its norm in each of its updates."""
    norms = {}
    for step in range(STEPS):
        x, y = (tf.constant(part[step * BATCH : (step + 1) * BATCH]) for part in model.data)
        for variable, gradient in model.by_hand(x, y, step):
            dense = tf.convert_to_tensor(gradient).numpy().astype("float64")
            norms.setdefault(variable.path, []).append(np.sqrt(np.sum(dense**2)))
    return norms


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.__name__)
def test_norms_equal_the_tape_and_the_weights_are_the_same(program):
    model, plain, twin = program(), program(), program()
    monitor = GradientMonitor(per_variable=True)
    fit(model, monitor)
    fit(plain)
    for one, two in zip(model.get_weights(), plain.get_weights(), strict=True):
        np.testing.assert_array_equal(one, two)
    expected = expected_norms(twin)
    assert len(expected) == len(monitor.layer_names) and not monitor.no_gradient
    for variable, column, updated in zip(
        monitor._variables, monitor.norms.T, monitor.updated.T, strict=True
    ):
        np.testing.assert_allclose(
            column[updated], expected[variable.path], rtol=2e-5, err_msg=variable.path
        )
        assert np.isnan(column[~updated]).all()
    if program is SharedLayers:
        assert len(monitor.norms) == 2 * STEPS  # the body twice in each step
    elif program is Accumulation:
        assert len(monitor.norms) == STEPS / 2
    else:
        assert len(monitor.norms) == STEPS


def test_several_optimizers_are_told_apart():
    monitor = GradientMonitor()
    model = GAN()
    fit(model, monitor)
    assert monitor.optimizers == {
        model.d_optimizer.name: ["discriminator/discriminator_0", "discriminator/discriminator_1"],
        model.g_optimizer.name: ["generator/generator_0", "generator/generator_1"],
    }
    assert monitor.updated.all() and not monitor.no_gradient
    fit(Alternating(), monitor)
    assert "not finite" not in monitor.summary()
    np.testing.assert_array_equal(monitor.updated[:, 2], [True, False] * (STEPS // 2))
    _heat, curves = monitor.plot().axes[:2]
    assert [len(line.get_ydata()) for line in curves.lines] == [STEPS // 2] * 2
    assert all(np.isfinite(line.get_ydata()).all() for line in curves.lines)
    distilled = GradientMonitor()
    fit(Distillation(), distilled)
    assert distilled.layer_names == ["student/student_0", "student/student_1"]


def test_a_tf_function_traced_by_a_plain_fit_is_named():
    """What was traced before cannot be seen: that is said, and both optimizers are named."""
    model = Decorated()
    fit(model)
    monitor = GradientMonitor()
    with pytest.warns(UserWarning) as caught:
        fit(model, monitor)
    said = " ".join(str(w.message) for w in caught)
    for optimizer in (model.d_optimizer, model.g_optimizer):
        assert f"updates by the optimizer {optimizer.name!r} are missing" in said
    assert monitor.norms.shape == (0, 0)
    assert "nan" not in monitor.summary()


def test_a_plain_fit_after_a_decorated_step_was_watched_adds_nothing():
    model, twin = Decorated(), Decorated()
    monitor = GradientMonitor()
    fit(model, monitor)
    before = monitor.norms
    fit(model)
    np.testing.assert_array_equal(monitor.norms, before)
    fit(model, monitor)
    assert len(monitor.norms) == STEPS
    for _ in range(3):
        fit(twin)
    for one, two in zip(model.get_weights(), twin.get_weights(), strict=True):
        np.testing.assert_array_equal(one, two)


class Raw(Program):
    """Updates its weights by itself: no optimizer can be heard of."""

    def make(self):
        self.body = net("body", 5, 1)

    def train_step(self, data):
        x, y = data
        with tf.GradientTape() as tape:
            loss = square(self.body(x) - y)
        for variable, grad in zip(
            self.body.trainable_variables,
            tape.gradient(loss, self.body.trainable_variables),
            strict=True,
        ):
            variable.assign_sub(0.1 * grad)
        return {"loss": loss}


def test_updates_without_an_optimizer_are_said():
    monitor = GradientMonitor()
    with pytest.warns(UserWarning, match="nothing is recorded, as no optimizer of Keras"):
        fit(Raw(), monitor)
    assert monitor.norms.shape == (0, 0)


def test_kernels_and_biases_by_two_optimizers():
    """A layer whose variables have two optimizers has one column, over all its gradients."""

    def make():
        keras.utils.set_random_seed(0)
        model = net("model", 5, 1)
        kernels, biases = keras.optimizers.SGD(0.05), keras.optimizers.Adam(0.01)
        model.compile(
            keras.optimizers.MultiOptimizer(lambda v: kernels if v.name == "kernel" else biases),
            "mse",
        )
        return model

    model, plain, twin, monitor = make(), make(), make(), GradientMonitor()
    options = {"batch_size": BATCH, "shuffle": False, "verbose": 0}
    model.fit(X, Y, callbacks=[monitor], **options)
    plain.fit(X, Y, **options)
    for one, two in zip(model.get_weights(), plain.get_weights(), strict=True):
        np.testing.assert_array_equal(one, two)
    assert monitor.layer_names == ["model_0", "model_1"] and monitor.updated.all()
    for step in range(STEPS):
        rows = slice(step * BATCH, (step + 1) * BATCH)
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean((twin(X[rows]) - Y[rows]) ** 2)
        grads = tape.gradient(loss, twin.trainable_variables)
        twin.optimizer.apply(grads, twin.trainable_variables)
        squares = [float(tf.reduce_sum(g**2)) for g in grads]
        expected = np.sqrt([squares[0] + squares[1], squares[2] + squares[3]])
        np.testing.assert_allclose(monitor.norms[step], expected, rtol=1e-5)


def test_ema_copies_have_no_column():
    keras.utils.set_random_seed(0)
    model = net("model", 5, 1)
    model.compile(keras.optimizers.SGD(0.05, use_ema=True), "mse")

    class WithCopy(Program):
        def make(self):
            self.network = net("network", 5, 1)
            self.copy_of_it = keras.models.clone_model(self.network)

        def updates(self, x, y):
            variables = self.network.trainable_variables
            yield self.optimizer, variables, lambda: square(self.network(x) - y)

    copied, monitor = WithCopy(), GradientMonitor()
    for one in (model, copied):
        one.fit(X, Y, batch_size=BATCH, verbose=0, callbacks=[monitor])
        assert len(monitor.layer_names) == 2 and np.isfinite(monitor.norms).all()
