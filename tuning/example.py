"""The example that `python -m tuning` searches when it is given none: an MLP on handwritten digits.

1797 images of 8 × 8 pixels that scikit-learn brings (Alpaydin & Kaynak, 1998).
"""

import keras
from keras import layers
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split


def load_data():
    """Return the splits: 1078 training, 359 validation and 360 test images, x (n, 64), y (n,)."""
    x, y = load_digits(return_X_y=True)
    x = (x / 16).astype("float32")
    x, x_test, y, y_test = train_test_split(x, y, test_size=360, stratify=y, random_state=0)
    x, x_val, y, y_val = train_test_split(x, y, test_size=359, stratify=y, random_state=0)
    return {"train": (x, y), "validation": (x_val, y_val), "test": (x_test, y_test)}


def build_model():
    """Return a compiled network of two hidden layers of 64 units."""
    model = keras.Sequential(
        [
            layers.Input((64,)),
            layers.Dense(64, activation="relu"),
            layers.Dense(64, activation="relu"),
            layers.Dense(10, activation="softmax"),
        ]
    )
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model
