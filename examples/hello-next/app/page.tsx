import Image from 'next/image'
import Link from 'next/link'

export default function Home() {
  return (
    <main>
      <h1>Hello from a container</h1>
      <p>This page was built and is served without a Dockerfile in its repository.</p>
      <Image src="/aurora.png" alt="Coloured light" width={320} height={240} priority />
      <ul>
        <li>
          <Link href="/hello/ada">a page rendered on request</Link>
        </li>
        <li>
          <a href="/api/time">an API route</a>
        </li>
      </ul>
    </main>
  )
}
