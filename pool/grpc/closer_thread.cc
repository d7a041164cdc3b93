#include "pool/grpc/closer_thread.h"

#include <thread>

#include "pool/grpc/lame_channel.h"

namespace chanpool {

CloserThread::Event::Event() : grpc_completion_queue_functor() {
  functor_run = [](grpc_completion_queue_functor* functor, int ok) {
    auto* const event = static_cast<Event*>(functor);
    event->Reported();
    Get()->Post([event, ok] {
      if (!event->Run(ok != 0)) delete event;
    });
  };
}

CloserThread* CloserThread::Get() {
  static CloserThread* const closer = new CloserThread;
  return closer;
}

grpc_completion_queue* CloserThread::queue() { return CallbackQueue()->cq(); }

CloserThread::CloserThread() {
  std::thread([this] { tasks_.Run(); }).detach();
}

}  // namespace chanpool
