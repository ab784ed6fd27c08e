class ActivationMonitor: pass
